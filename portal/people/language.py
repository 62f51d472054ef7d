"""Which language a page speaks: Chinese unless the reader switched to English."""

from __future__ import annotations

from flask import g, has_request_context, session

LANGUAGES = {"zh": "zh_Hans_CN", "en": "en"}
"""The switch's values and the locale of each; the keys are what templates and forms use."""

DEFAULT_LANGUAGE = "zh"


def chosen_language() -> str:
    """`zh` or `en`: as the reader chose, or as `speak` said; asked of the session once a request."""
    if not has_request_context():
        return DEFAULT_LANGUAGE
    known: str | None = g.get("language")
    return known or speak(session.get("language", DEFAULT_LANGUAGE))


def speak(language: str) -> str:
    """Answer the rest of this request in a language, Chinese where it is none of ours; gives which."""
    spoken: str = language if language in LANGUAGES else DEFAULT_LANGUAGE
    g.language = spoken
    return spoken


def chosen_locale() -> str:
    """The locale Flask-Babel is to use for this request."""
    return LANGUAGES[chosen_language()]
