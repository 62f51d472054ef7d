"""What is asked of who wants to be a guardian, and the words for what they answered."""

from __future__ import annotations

import datetime as dt
from typing import Final

from portal.fields import SHANGHAI, Choice, Field, check
from portal.i18n import gettext

NAME_CHARACTERS, HOME_CHARACTERS, PROOF_CHARACTERS = 40, 120, 400
REASON: Final = Field(name="reason", kind="text", label="", max_length=400)
"""The reason of a refusal, an end or an objection; its label stands in the template."""
UNTIL: Final = Field(name="until", kind="date", label="", required=False)


def basis_choices() -> dict[str, str]:
    """On what grounds somebody guards, in words."""
    return {
        "family": gettext("家人，照看老人"),
        "appointed": gettext("法院或居委会指定的监护人"),
        "agreed": gettext("和本人签过监护协议"),
    }


def fields() -> list[Field]:
    """The questions; nothing is chosen beforehand."""
    answers = {"yes": gettext("是，本人不能自己决定"), "no": gettext("不，本人能自己决定")}
    return [
        Field(name="named", kind="text", label=gettext("戴手环的人叫什么"), max_length=NAME_CHARACTERS),
        Field(
            name="home",
            kind="text",
            label=gettext("住在哪里"),
            hint=gettext("写到楼栋和房号，例如：3 号楼 2 单元 501。"),
            max_length=HOME_CHARACTERS,
        ),
        Field(
            name="relation",
            kind="text",
            label=gettext("您是这位老人的什么人"),
            hint=gettext("例如：女儿、侄子、邻居。"),
            max_length=NAME_CHARACTERS,
        ),
        Field(name="basis", kind="choice", label=gettext("凭什么监护"), choices=_choices(basis_choices())),
        Field(
            name="decides",
            kind="choice",
            label=gettext("要替本人决定谁能看位置和身体情况吗"),
            hint=gettext("只有本人不能自己决定、并且有材料证明的，才能代为决定。"),
            choices=_choices(answers),
        ),
        Field(
            name="proof",
            kind="textarea",
            label=gettext("有什么材料证明"),
            hint=gettext("例如：户口簿、指定监护人的文书、监护协议，写上名称和编号。"),
            rows=3,
            max_length=PROOF_CHARACTERS,
        ),
    ]


def reason_of(typed: str) -> str:
    """A reason that counts, empty where none was given or it is too long."""
    values, _ = check((REASON,), {"reason": [typed]})
    return str(values.get("reason", ""))


def until_of(typed: str, today: dt.date) -> dt.datetime | None:
    """The end of a day that was typed, None where none was; raises `ValueError` for no day to come."""
    values, problems = check((UNTIL,), {"until": [typed]})
    if problems:
        raise ValueError(typed)
    if "until" not in values:
        return None
    day = dt.date.fromisoformat(str(values["until"]))
    if not today <= day < dt.date.max:
        raise ValueError(typed)
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), SHANGHAI).astimezone(dt.UTC)


def _choices(words: dict[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(value=value, label=label) for value, label in words.items())
