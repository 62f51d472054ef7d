"""The portal's languages: Chinese first, English as a real translation, chosen by cookie.

Source strings are English; `zh_Hans/LC_MESSAGES/messages.po` holds the Chinese and is read as it is.
There is no compiled catalogue to forget: the file is parsed once a process (about 20 ms).
`init_app` is the one call the factory makes.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, g, has_request_context, request
from flask_babel import Babel, Domain, get_locale

LANGUAGES: Final = {"zh": "zh_Hans_CN", "en": "en"}
"""Cookie value -> locale; the territory lets Flask-Security find its own Chinese catalogue."""
LANGUAGE_NAMES: Final = {"zh": "中文", "en": "English"}
HTML_LANG: Final = {"zh": "zh-Hans", "en": "en"}
LANGUAGE_COOKIE: Final = "lang"
CATALOGUE: Final = Path(__file__).parent / "zh_Hans" / "LC_MESSAGES" / "messages.po"
TIMEZONE: Final = "Asia/Shanghai"


class PoDomain(Domain):  # type: ignore[misc]  # flask-babel carries no types
    """A message domain that reads the `.po` file itself instead of a compiled copy of it."""

    def __init__(self, catalogue: Path) -> None:
        super().__init__(domain="messages")
        self._chinese = read_catalogue(catalogue)
        self._source: NullTranslations = NullTranslations()

    def get_translations(self) -> NullTranslations:
        """Give the translations of this request's language; the source strings outside a request."""
        locale = get_locale()
        return self._chinese if locale is not None and locale.language == "zh" else self._source


def read_catalogue(path: Path) -> Translations:
    """Give the translations of a `.po` file; raises `OSError` or Babel's `PoFileError` on a bad one."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale="zh_Hans", abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(fp=compiled, domain="messages")


def language() -> str:
    """Give "zh" or "en" for this request: the cookie, else Chinese.

    The browser's own language is not asked: phones bought abroad belong to residents too,
    and a page that changes language by itself frightens people.
    """
    if not has_request_context():
        return "zh"
    chosen = g.get("language") or request.cookies.get(LANGUAGE_COOKIE, "zh")
    return chosen if chosen in LANGUAGES else "zh"


def html_lang() -> str:
    """Give the value of the `lang` attribute of `<html>`."""
    return HTML_LANG[language()]


def init_app(app: Flask) -> None:
    """Install Flask-Babel with our catalogue, Shanghai time and the language of the cookie."""
    babel = Babel()
    babel.init_app(
        app,
        default_locale=LANGUAGES["zh"],
        default_timezone=TIMEZONE,
        locale_selector=lambda: LANGUAGES[language()],
    )
    babel.domain_instance = PoDomain(CATALOGUE)
    app.jinja_env.globals.update(
        language=language, html_lang=html_lang, languages=LANGUAGE_NAMES
    )
