"""Pages for paper: HTML and CSS of our own become PDF by WeasyPrint, which reads nothing but them.

No address is ever fetched, neither of the network nor of the disk: whatever a document names is refused.
WeasyPrint and the libraries it loads (Pango, HarfBuzz) are asked for only when a paper is wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

AT_ONCE = 2
MOST_CHARACTERS = 2_000_000
"""So long a document is made into paper; about 20 s of one core."""
PDF_TYPE = "application/pdf"

_making = threading.BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """So many papers are being made that one more would make everybody wait."""


class Missing(Exception):
    """This machine lacks WeasyPrint or a library it loads."""


class TooLong(ValueError):
    """The document is longer than what is made into paper."""


def as_pdf(html: str, css: str) -> bytes:
    """Give a PDF with its text extractable and its headings and tables tagged.

    Raises Busy, Missing or TooLong.
    """
    if len(html) > MOST_CHARACTERS:
        message = f"{len(html)} characters are too many for paper"
        raise TooLong(message)
    with _one_of_few():
        try:
            from weasyprint import CSS, HTML  # noqa: PLC0415  # half a second, and libraries a portal may lack
            from weasyprint.text.fonts import FontConfiguration  # noqa: PLC0415
        except (ImportError, OSError) as error:
            raise Missing(str(error)) from error
        fonts, fetcher = FontConfiguration(), refusing()
        sheet = CSS(string=css, font_config=fonts, url_fetcher=fetcher)
        document = HTML(string=html, url_fetcher=fetcher)
        made: bytes = document.write_pdf(stylesheets=[sheet], font_config=fonts, pdf_tags=True)
        return made


def refusing() -> Any:
    """Give a fetcher that fetches nothing, and remembers in `refused` what it was asked for."""
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    class Refusing(URLFetcher):  # type: ignore[misc]  # WeasyPrint carries no types
        """Refuses every address, of the network, of the disk, and within the document alike."""

        def __init__(self) -> None:
            super().__init__(allowed_protocols=(), allow_redirects=False)
            self.refused: list[str] = []

        def fetch(self, url: str, headers: object = None) -> Any:
            """Refuse."""
            del headers
            self.refused.append(url)
            message = "a paper fetches nothing"
            raise ValueError(message)

    return Refusing()


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _making.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        _making.release()
