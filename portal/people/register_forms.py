"""The questions about a resident, and their answers as the register keeps them."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from portal.fields import Choice, Field, Filled
from portal.i18n import gettext
from portal.people import identity
from portal.people.addresses import Households
from portal.people.models import Resident
from portal.people.register import TAGS

OLDEST_YEARS: Final = 130


def tag_words() -> dict[str, str]:
    """What each tag is called."""
    return {
        "lives_alone": gettext("独居"),
        "empty_nest": gettext("空巢"),
        "needs_care": gettext("失能"),
        "disabled": gettext("残疾"),
        "low_income": gettext("低保"),
        "veteran": gettext("退役军人"),
        "party_member": gettext("党员"),
        "tenant": gettext("租户"),
    }


def sex_words() -> dict[str, str]:
    """What `male` and `female` are called."""
    return {"male": gettext("男"), "female": gettext("女")}


def fields(*, known_number: bool) -> tuple[Field, ...]:
    """What is asked about a resident; `known_number`: one is on file and stays unless typed anew."""
    words, sexes = tag_words(), sex_words()
    keeps = gettext("已登记。不改就留空，填新号码会替换原来的。")
    return (
        Field(name="name", kind="text", label=gettext("姓名"), max_length=40),
        Field(
            name="home",
            kind="text",
            label=gettext("住址"),
            hint=gettext("例如 3栋2单元401，也可写 3-2-401"),
            max_length=60,
            required=False,
        ),
        Field(
            name="id_number",
            kind="id_number",
            label=gettext("身份证号码"),
            hint=keeps if known_number else gettext("加密保存，查看要留记录；性别和出生日期会自动填上"),
            required=False,
            max_length=18,
        ),
        Field(
            name="sex",
            kind="choice",
            label=gettext("性别"),
            choices=tuple(Choice(value=key, label=word) for key, word in sexes.items()),
            required=False,
        ),
        Field(name="birth_date", kind="date", label=gettext("出生日期"), required=False),
        Field(name="phone", kind="phone", label=gettext("电话"), required=False, max_length=20),
        Field(
            name="relation",
            kind="text",
            label=gettext("与户主关系"),
            hint=gettext("例如 户主、配偶、女儿、租户"),
            required=False,
            max_length=20,
        ),
        Field(
            name="tags",
            kind="choices",
            label=gettext("标签"),
            choices=tuple(Choice(value=tag, label=words[tag]) for tag in TAGS),
            required=False,
        ),
        Field(name="note", kind="textarea", label=gettext("备注"), required=False, max_length=500, rows=3),
    )


def read(form: Filled, homes: Households, *, today: dt.date) -> dict[str, Any]:
    """Give the answers as columns of the register; what is wrong with them goes to `form.errors`.

    A birth date or sex that is not typed is read from the identity number; one that contradicts it is wrong.
    """
    said = form.values
    number = str(said.get("id_number", ""))
    born = dt.date.fromisoformat(str(said["birth_date"])) if "birth_date" in said else None
    sex = str(said.get("sex", ""))
    if number:
        if born is not None and born != identity.born(number):
            form.errors["birth_date"] = gettext("和身份证号码里的出生日期不一致。")
        if sex and sex != identity.sex(number):
            form.errors["sex"] = gettext("和身份证号码里的性别不一致。")
        born, sex = born or identity.born(number), sex or identity.sex(number)
    if (born is not None and not 0 <= today.year - born.year <= OLDEST_YEARS) or (born and born > today):
        form.errors.setdefault("birth_date", gettext("出生日期不对，请核对。"))
    home = homes.find(str(said.get("home", ""))) if said.get("home") else None
    if said.get("home") and home is None:
        form.errors["home"] = gettext("楼栋房屋里没有这一户，请核对，或先去添加。")
    return {
        "name": str(said.get("name", "")),
        "sex": sex,
        "birth_date": born,
        "phone": str(said.get("phone", "")),
        "relation": str(said.get("relation", "")),
        "tags": [tag for tag in TAGS if tag in said.get("tags", [])],
        "note": str(said.get("note", "")),
        "household_id": home.id if home is not None else None,
    }


def filled(person: Resident, homes: Households) -> Filled:
    """The form as the register has it; the identity number stays out of the page."""
    raw = {
        "name": person.name,
        "home": homes.labels.get(person.household_id or 0, ""),
        "sex": person.sex,
        "birth_date": person.birth_date.isoformat() if person.birth_date else "",
        "phone": person.phone.removeprefix("+86"),
        "relation": person.relation,
        "note": person.note,
    }
    return Filled(raw=raw, lists={"tags": list(person.tags)})
