"""Questions as data and the checking of their answers: one engine for every form of the portal.

Pure: no Flask, no words. `check` gives what was answered and what is wrong (a reason code and its limits);
`portal.words.problem` says the reason. A form from `data/services/*.toml` and one written in Python
are the same tuple of `Field`.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec
import phonenumbers

Words = dict[str, str] | str
Kind = Literal[
    "text",
    "textarea",
    "phone",
    "id_number",
    "date",
    "moment",
    "number",
    "select",
    "choice",
    "choices",
    "cards",
    "agree",
    "photos",
    "building",
    "spot",
]
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
ID_NUMBER_LENGTH: Final = 18
ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECKS: Final = "10X98765432"
NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*|,\d{1,2})?|\.\d+)", re.ASCII)
"""A number as people type it; a comma before three digits might mean thousands, and is asked about."""
MAX_LAT_DEG: Final = 90
MAX_LON_DEG: Final = 180
CHOOSING: Final = frozenset({"select", "choice", "cards", "building"})


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer of a closed question."""

    value: str
    label: Words
    icon: str = ""


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question.

    `max_length` is in characters; `minimum` and `maximum` bound a number;
    `when_field`, `when_value`: asked only when that earlier question was answered so ("a|b": either way);
    `max_count` bounds photos; `placeholder` stands in an empty line: what holds when nothing is typed.
    """

    name: str
    kind: Kind
    label: Words
    hint: Words = ""
    required: bool = True
    choices: tuple[Choice, ...] = ()
    max_length: int = 200
    rows: int = 5
    minimum: float | None = None
    maximum: float | None = None
    autocomplete: str = ""
    when_field: str = ""
    when_value: str = ""
    max_count: int = 6
    placeholder: Words = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an answer was not taken: a stable reason, and the limit it broke."""

    reason: Literal["missing", "too_long", "phone", "id_number", "date", "number", "range", "choice", "spot"]
    limit: str = ""


Raw = Mapping[str, Sequence[str]]
Values = dict[str, str | list[str]]


@dataclass(slots=True, kw_only=True)
class Filled:
    """A form as a person left it: `raw` is what they typed, `values` what is accepted, `errors` in words.

    `labels` are the questions by name, for the list of what is wrong.
    """

    raw: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    labels: dict[str, Words] = field(default_factory=dict)

    def raw_list(self, name: str) -> list[str]:
        """Give every value typed under a name."""
        return self.lists.get(name, [])


def check(fields: Sequence[Field], raw: Raw) -> tuple[Values, dict[str, Problem]]:
    """Give the accepted answers and the problems, both by field name, in the order of the form.

    Questions that are not asked (`when_field`) give neither; photos are not looked at here.
    Numbers stay text, dates become ISO 8601, moments ISO 8601 in UTC, phones E.164.
    """
    values: Values = {}
    problems: dict[str, Problem] = {}
    for question in fields:
        if question.kind == "photos" or not _asked(question, values):
            continue
        typed = [clean(text) for text in raw.get(question.name, ())]
        if question.kind == "choices":
            answer: str | list[str] | Problem = _check_choices(question, typed)
        else:
            answer = _check_one(question, typed[-1] if typed else "")
        if isinstance(answer, Problem):
            problems[question.name] = answer
        elif answer:
            values[question.name] = answer
    return values, problems


def clean(text: str) -> str:
    """Give typed text normalised (NFC), without control characters and outer space."""
    normal = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return "".join(c for c in normal if c == "\n" or unicodedata.category(c) != "Cc").strip()


def number_of(text: str) -> Decimal | None:
    """Give a number as people type it, full-width or with a decimal comma; None where it is none."""
    plain = unicodedata.normalize("NFKC", text).replace("。", ".")
    return Decimal(plain.replace(",", ".")) if NUMBER.fullmatch(plain) else None


def id_number_is_valid(number: str) -> bool:
    """Whether an identity number is well formed: length, birth date, check sign (GB 11643-1999)."""
    number = number.upper()
    if len(number) != ID_NUMBER_LENGTH or not number[:17].isascii() or not number[:17].isdigit():
        return False
    try:
        dt.datetime.strptime(number[6:14], "%Y%m%d").replace(tzinfo=dt.UTC)
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, ID_WEIGHTS, strict=False))
    return ID_CHECKS[total % 11] == number[17]


def _asked(question: Field, values: Values) -> bool:
    if not question.when_field:
        return True
    answer = values.get(question.when_field, "")
    given = answer if isinstance(answer, list) else [answer]
    return any(value in given for value in question.when_value.split("|"))


def _check_choices(question: Field, typed: list[str]) -> list[str] | Problem:
    known = {choice.value for choice in question.choices}
    picked = [value for value in dict.fromkeys(typed) if value]
    if not set(picked) <= known:
        return Problem(reason="choice")
    return Problem(reason="missing") if question.required and not picked else picked


def _check_one(question: Field, text: str) -> str | Problem:
    if not text:
        return Problem(reason="missing") if question.required else ""
    if len(text) > question.max_length:
        return Problem(reason="too_long", limit=str(question.max_length))
    if question.kind in CHOOSING:
        return text if text in {choice.value for choice in question.choices} else Problem(reason="choice")
    checks = {"phone": _check_phone, "id_number": _check_id, "spot": _check_spot}
    if question.kind in checks:
        return checks[question.kind](text)
    if question.kind in {"date", "moment"}:
        return _check_time(question.kind, text)
    return _check_number(question, text) if question.kind == "number" else text


def _check_id(text: str) -> str | Problem:
    return text.upper() if id_number_is_valid(text) else Problem(reason="id_number")


def normal_phone(text: str) -> str | None:
    """A typed telephone number in E.164, of China where it names no country; None where it is none."""
    checked = _check_phone(text)
    return checked if isinstance(checked, str) else None


def _check_phone(text: str) -> str | Problem:
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException:
        return Problem(reason="phone")
    if number.extension or not phonenumbers.is_valid_number(number):
        return Problem(reason="phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _check_time(kind: str, text: str) -> str | Problem:
    try:
        if kind == "date":
            return dt.date.fromisoformat(text).isoformat()
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return Problem(reason="date")
    at = at if at.tzinfo else at.replace(tzinfo=SHANGHAI)
    return at.astimezone(dt.UTC).isoformat(timespec="seconds")


def _check_number(question: Field, text: str) -> str | Problem:
    number = number_of(text)
    if number is None:
        return Problem(reason="number")
    low, high = question.minimum, question.maximum
    if (low is not None and number < Decimal(str(low))) or (high is not None and number > Decimal(str(high))):
        return Problem(reason="range", limit=f"{low or 0:g}–{high:g}" if high is not None else f"≥ {low:g}")
    return str(number)


def _check_spot(text: str) -> str | Problem:
    try:
        lat, lon = (float(part) for part in text.split(","))
    except ValueError:
        return Problem(reason="spot")
    if not (abs(lat) <= MAX_LAT_DEG and abs(lon) <= MAX_LON_DEG):
        return Problem(reason="spot")
    return f"{lat:.6f},{lon:.6f}"
