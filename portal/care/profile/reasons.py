"""What a gateway, or a shape, has against a change of a profile: every reason, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import Problem
from gateway.profile import Profile
from portal.care.problem_words import words_of
from portal.care.profile.words import field_words
from portal.i18n import gettext

PATH = re.compile(r"profile(?P<path>.*?) = (?P<value>.*?): expected (?P<rest>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing a gateway has against a change: what it is about, and why, in the reader's language."""

    about: str
    said: str
    part: str = ""
    """The key of the profile it is about: `contacts`, `fences`, `rules`; empty where it names none."""
    id: str = ""
    """Which contact or fence."""


def reasons(text: str, profile: Profile | None) -> list[Reason]:
    """Give everything a gateway has against a change, a line each, with what it is about."""
    return [_reason(line.strip(), profile) for line in text.splitlines() if line.strip()]


def about_words(parts: Sequence[str], piece: Any) -> str:
    """Say what the keys of a path are about: `contacts`, `li`, `phone` is "联系人 李晓梅 · 电话"."""
    if not parts:
        return ""
    head, *rest = parts
    if head in {"contacts", "fences"} and rest:
        name = rest[0] if piece is None else piece.name
        sentence = gettext("联系人 %(name)s") if head == "contacts" else gettext("区域「%(name)s」")
        return " · ".join((sentence % {"name": name}, *(field_words(one) for one in rest[1:2])))
    if head == "contacts":
        return gettext("联系人")
    return field_words(rest[-1] if head in {"rules", "vitals"} and rest else head)


def trial_reasons(problems: Sequence[Problem], body: Any) -> list[Reason]:
    """Give everything that is wrong with what somebody wants to try; `body` is what they sent."""
    fences = body.get("fences") if isinstance(body, dict) else None
    tables = fences if isinstance(fences, list) else []
    return [_trial_reason(one, tables) for one in problems]


def _trial_reason(problem: Problem, tables: Sequence[Any]) -> Reason:
    parts = _parts(problem.path)
    piece = None
    if parts[:1] == ["fences"] and len(parts) > 1:
        table = tables[int(parts[1])] if int(parts[1]) < len(tables) else None
        name = table.get("name") if isinstance(table, dict) else None
        numbered = gettext("第 %(number)s 个", number=int(parts[1]) + 1)
        piece = Named(name=name if isinstance(name, str) and name else numbered)
    return Reason(about=about_words(parts, piece), said=_words(problem.expected, problem.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A piece that is not right yet, by its name."""

    name: str


def _reason(text: str, profile: Profile | None) -> Reason:
    found = PATH.fullmatch(text)
    said = text if found is None else found["rest"]
    parts = [] if found is None else _parts(found["path"])
    pieces: Sequence[Any] = getattr(profile, parts[0], ()) if parts and profile is not None else ()
    piece = _piece(pieces, parts[1]) if len(parts) > 1 and parts[0] in {"contacts", "fences"} else None
    return Reason(
        about=about_words(parts, piece),
        said=_words(said, "" if found is None else found["value"]),
        part=parts[0] if parts else "",
        id="" if piece is None else piece.id,
    )


def _words(said: str, value: str) -> str:
    """The words of a phrase; a phrase of a newer gateway is not shown in its English."""
    return words_of(said, value) or gettext("守望设备不接受这一项，请联系管理员。")


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[.\[\]]+", path) if part and part != "(body)"]


def _piece(pieces: Sequence[Any], said: str) -> Any:
    """The contact or fence a path names, by its id or its place."""
    if said.isdecimal() and int(said) < len(pieces):
        return pieces[int(said)]
    return next((one for one in pieces if one.id == said), None)
