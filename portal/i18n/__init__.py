"""The portal's two languages: Chinese is the source, English a real translation.

Every string in code and templates is written in Chinese; the English stands in `.po` files: the house's own
beside this module, and one in the folder of a feature that brings its own (`care/i18n/en/LC_MESSAGES`).
They are read as they are, once a process (about 20 ms): there is no compiled catalogue to forget.
`init_app` is the one call the factory makes. Words that stand in data files carry both languages
(`{ zh = "…", en = "…" }`) and are said by `say`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import flask_babel
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, g
from flask_babel import Babel, Domain, get_locale
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

from portal.people.language import DEFAULT_LANGUAGE, LANGUAGES, chosen_language, chosen_locale, speak

LANGUAGE_NAMES: Final = {"zh": "中文", "en": "English"}
HTML_LANG: Final = {"zh": "zh-Hans", "en": "en"}
CATALOGUE: Final = Path(__file__).parent / "en" / "LC_MESSAGES" / "messages.po"
FEATURE_CATALOGUES: Final = "*/i18n/en/LC_MESSAGES/messages.po"
TIMEZONE: Final = "Asia/Shanghai"
SAID_AT_MOST: Final = 5000
_SAID: Final[dict[str, dict[str, Markup]]] = {language: {} for language in LANGUAGES}
"""What templates said that has nothing to fill in, by language."""


class PoDomain(Domain):  # type: ignore[misc]  # flask-babel carries no types
    """A message domain that reads `.po` files themselves instead of compiled copies of them."""

    def __init__(self, catalogues: Iterable[Path]) -> None:
        super().__init__(domain="messages")
        self._english = Translations(domain="messages")
        for catalogue in catalogues:
            self._english.merge(_read_once(catalogue))
        self._source = NullTranslations()

    def get_translations(self) -> NullTranslations:
        """Give the translations of this request's language; the source strings outside a request."""
        locale = get_locale()
        return self._english if locale is not None and locale.language == "en" else self._source


def read_catalogue(path: Path) -> Translations:
    """Give the translations of a `.po` file; raises `OSError`, or Babel's `PoFileError` on a bad one."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale="en", abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(fp=compiled, domain="messages")


_read_once = cache(read_catalogue)
"""Merging into another leaves what was read as it is."""


def catalogues() -> list[Path]:
    """Give every English catalogue there is: the house's own, then those of features, by name."""
    return [CATALOGUE, *sorted(Path(__file__).parents[1].glob(FEATURE_CATALOGUES))]


def html_lang() -> str:
    """Give the value of the `lang` attribute of `<html>`."""
    return HTML_LANG[chosen_language()]


def gettext(text: str, **values: object) -> str:
    """Give a string in the reader's language, its `%(name)s` filled in."""
    if chosen_language() == DEFAULT_LANGUAGE:  # the strings are Chinese: nothing is to be looked up
        return text % values if values else text
    return str(flask_babel.gettext(text, **values))


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say things in a language meanwhile, whatever the reader chose: a text goes to somebody else."""
    before = g.get("language")
    try:
        with flask_babel.force_locale(LANGUAGES[speak(language)]):
            yield
    finally:
        g.language = before


@pass_eval_context
def _in_page(page: EvalContext, text: str, /, **values: object) -> str:
    """Say a string in a template as Jinja's own `gettext` does, without asking Flask-Babel each time.

    A page says a hundred of them. What has nothing to fill in is known after the first time.
    """
    language = chosen_language()
    if values or not page.autoescape:
        said = gettext(text)
        return (Markup(said) if page.autoescape else said) % values  # noqa: S704  # ours, and values are escaped
    said_before = _SAID[language]
    known = said_before.get(text)
    if known is None:
        known = Markup(gettext(text)) % {}  # noqa: S704  # a word of the catalogue
        if len(said_before) < SAID_AT_MOST:
            said_before[text] = known
    return known


def ngettext(one: str, many: str, num: int, **values: object) -> str:
    """Give the singular or plural of a string in the reader's language; `%(num)s` is the count."""
    if chosen_language() == DEFAULT_LANGUAGE:
        return (one if num == 1 else many) % {"num": num, **values}
    return str(flask_babel.ngettext(one, many, num, **values))


def say(words: Mapping[str, str] | str | None) -> str:
    """Give the words of a data file in the reader's language, in Chinese where there is no other."""
    if words is None or isinstance(words, str):
        return words or ""
    return words.get(chosen_language()) or words.get(DEFAULT_LANGUAGE, "")


def init_app(app: Flask) -> None:
    """Install Flask-Babel with our catalogue, Shanghai time and the reader's language."""
    babel = Babel()
    babel.init_app(
        app,
        default_locale=LANGUAGES[DEFAULT_LANGUAGE],
        default_timezone=TIMEZONE,
        locale_selector=chosen_locale,
    )
    babel.domain_instance = PoDomain(catalogues())
    app.jinja_env.globals.update(gettext=_in_page, _=_in_page)
    app.jinja_env.globals.update(language=chosen_language, html_lang=html_lang, language_names=LANGUAGE_NAMES)
    app.jinja_env.filters["say"] = say
