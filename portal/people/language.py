"""Which language a page speaks: Chinese unless the reader switched to English."""

from __future__ import annotations

from flask import g, has_request_context, session

LANGUAGES = {"zh": "zh_Hans_CN", "en": "en"}
"""The switch's values and the locale of each; the keys are what templates and forms use."""

DEFAULT_LANGUAGE = "zh"


def chosen_language() -> str:
    """`zh` or `en`: as the reader chose, or as `g.language` says on a page everybody gets alike."""
    if not has_request_context():
        return DEFAULT_LANGUAGE
    chosen: str = g.get("language") or session.get("language", DEFAULT_LANGUAGE)
    return chosen if chosen in LANGUAGES else DEFAULT_LANGUAGE


def chosen_locale() -> str:
    """The locale Flask-Babel is to use for this request."""
    return LANGUAGES[chosen_language()]
