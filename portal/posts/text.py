"""Markdown to HTML that is safe to show: markdown-it for the form, nh3 for what may pass. Pure."""

from __future__ import annotations

from typing import Final

import nh3
from markdown_it import MarkdownIt

TAGS: Final = frozenset(
    "p br strong em del ul ol li h2 h3 h4 blockquote code pre hr a table thead tbody tr th td".split()  # noqa: SIM905  # reads as prose
)
ATTRIBUTES: Final = {"a": {"href", "title"}}
SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])


def to_html(markdown: str) -> str:
    """Give Markdown as HTML: no raw HTML, no pictures from elsewhere, links that cannot see us."""
    drawn = _markdown.render(markdown).replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    return nh3.clean(
        drawn,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
    )
