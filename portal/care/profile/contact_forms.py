"""The questions about a contact, the wearer and their limits; and the answers made into a profile."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.profile import ContactTable, Profile
from portal.care.profile.words import LIMITS
from portal.fields import Choice, Field, Filled, Values
from portal.i18n import gettext
from portal.words import now

NAME_CHARACTERS, RELATION_CHARACTERS, PHONE_CHARACTERS, NUMBER_CHARACTERS = 40, 20, 24, 8
HOME_CHARACTERS = 120
BORN = (1900, 2100)
ID_BYTES = 4
BOUNDS: Mapping[str, tuple[float, float]] = {
    "heart_rate_low_bpm": (20, 250),
    "heart_rate_high_bpm": (20, 250),
    "systolic_low_mmhg": (20, 280),
    "systolic_high_mmhg": (20, 280),
    "diastolic_low_mmhg": (20, 280),
    "diastolic_high_mmhg": (20, 280),
    "spo2_low_pct": (50, 100),
    "body_temp_high_c": (30, 43),
}
"""What a limit may be; the gateway's own bounds are the same, and its word is the last."""
PAIRS = (
    ("heart_rate_low_bpm", "heart_rate_high_bpm"),
    ("systolic_low_mmhg", "systolic_high_mmhg"),
    ("diastolic_low_mmhg", "diastolic_high_mmhg"),
)


def new_id(kind: str) -> str:
    """Give a short name nobody else has."""
    return f"{kind}-{secrets.token_hex(ID_BYTES)}"


def contact_form() -> tuple[Field, ...]:
    """Ask for a contact."""
    return (
        Field(
            name="name", kind="text", label=gettext("姓名"), max_length=NAME_CHARACTERS, autocomplete="off"
        ),
        Field(
            name="relation",
            kind="text",
            label=gettext("关系"),
            hint=gettext("例如女儿、儿子、邻居。"),
            required=False,
            max_length=RELATION_CHARACTERS,
            autocomplete="off",
        ),
        Field(
            name="phone",
            kind="phone",
            label=gettext("电话"),
            hint=gettext("国外的号码从 + 和国家号写起。用这个号码登录的人能看到佩戴者的情况。"),
            max_length=PHONE_CHARACTERS,
            autocomplete="off",
        ),
        Field(
            name="lang",
            kind="choice",
            label=gettext("短信和电话用的语言"),
            choices=(
                Choice(value="zh", label=gettext("中文")),
                Choice(value="en", label=gettext("英文")),
            ),
        ),
    )


def contact_raw(contact: ContactTable | None) -> dict[str, str]:
    """Give a contact as its form shows it."""
    if contact is None:
        return {"lang": "zh"}
    return {
        "name": contact.name,
        "relation": contact.relation,
        "phone": contact.phone.removeprefix("+86"),
        "lang": contact.lang,
    }


def contact_of(values: Values, name: str) -> ContactTable:
    """Give the contact of accepted answers under its name of old, or a new one."""
    said = {key: str(value) for key, value in values.items()}
    return msgspec.convert({"relation": "", **said, "id": name}, ContactTable)


def person_form() -> tuple[Field, ...]:
    """Ask who the wearer is."""
    return (
        Field(
            name="name", kind="text", label=gettext("姓名"), max_length=NAME_CHARACTERS, autocomplete="off"
        ),
        Field(
            name="birth_year",
            kind="number",
            label=gettext("出生年份"),
            required=False,
            minimum=BORN[0],
            maximum=now().year,
            max_length=NUMBER_CHARACTERS,
            autocomplete="off",
        ),
        Field(
            name="home",
            kind="text",
            label=gettext("住址"),
            hint=gettext("例如 3栋2单元401。出事时会告诉赶去的人。"),
            required=False,
            max_length=HOME_CHARACTERS,
            autocomplete="off",
        ),
    )


def person_raw(profile: Profile) -> dict[str, str]:
    """Give who the wearer is as the form shows it."""
    born = "" if profile.birth_year is None else str(profile.birth_year)
    return {"name": profile.name, "birth_year": born, "home": profile.home}


def check_year(form: Filled) -> None:
    """Note a year that is no whole one."""
    if not str(form.values.get("birth_year", "0")).isdecimal():
        form.errors["birth_year"] = gettext("请填写整数。")


def with_person(profile: Profile, values: Values) -> Profile:
    """Give the profile of somebody of this name, year of birth and home."""
    said = {key: str(value) for key, value in values.items()}
    born = int(said["birth_year"]) if "birth_year" in said else None
    return msgspec.structs.replace(profile, name=said["name"], birth_year=born, home=said.get("home", ""))


def limits_form(community: Mapping[str, float]) -> tuple[Field, ...]:
    """Ask for the limits, each of which may be left to the community's."""
    return tuple(
        Field(
            name=key,
            kind="number",
            label=gettext("%(name)s（%(unit)s）", name=name, unit=unit),
            required=False,
            minimum=BOUNDS[key][0],
            maximum=BOUNDS[key][1],
            max_length=NUMBER_CHARACTERS,
            placeholder=_standard(community.get(key)),
            autocomplete="off",
        )
        for key, (name, unit) in LIMITS.items()
    )


def limits_raw(profile: Profile) -> dict[str, str]:
    """Give a wearer's own limits as their form shows them."""
    own = profile.rules.get("vitals", {})
    return {key: f"{own[key]:g}" for key in LIMITS if isinstance(own.get(key), int | float)}


def check_pairs(form: Filled, community: Mapping[str, float]) -> None:
    """Note every low limit that is not below its high one, the community's where one is left empty."""
    for low, high in PAIRS:
        if low in form.errors or high in form.errors:
            continue
        least, most = (_number(form.values.get(key), community.get(key)) for key in (low, high))
        if least is not None and most is not None and least >= most:
            wrong = low if low in form.values else high
            form.errors[wrong] = gettext(
                "下限要比上限低。现在是 %(low)s 和 %(high)s。", low=f"{least:g}", high=f"{most:g}"
            )


def with_limits(profile: Profile, values: Values) -> Profile:
    """Give the profile with these limits; those left empty are the community's again."""
    vitals: dict[str, Any] = {
        key: value for key, value in profile.rules.get("vitals", {}).items() if key not in LIMITS
    }
    vitals |= {key: float(str(values[key])) for key in LIMITS if key in values}
    rules = {name: table for name, table in profile.rules.items() if name != "vitals"}
    return msgspec.structs.replace(profile, rules=rules | ({"vitals": vitals} if vitals else {}))


def _standard(value: float | None) -> str:
    return gettext("社区标准") if value is None else gettext("社区标准 %(value)s", value=f"{value:g}")


def _number(typed: Any, standard: float | None) -> float | None:
    return float(str(typed)) if typed else standard
