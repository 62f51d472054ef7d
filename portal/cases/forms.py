"""The questions of a case: those of its service, who may be reached, and those of each step."""

from __future__ import annotations

from pathlib import Path

import msgspec

from portal.care.places import read_layer
from portal.cases.services import Service
from portal.cases.workflow import LEVELS, NEEDS_NOTE, Action
from portal.fields import Choice, Field
from portal.i18n import gettext

NOTE_LENGTH = 1000
RATINGS = ("5", "4", "3", "2", "1")


def buildings(map_dir: str) -> tuple[Choice, ...]:
    """Give the buildings of the community's map as choices; none where there is no map."""
    found = [feature["properties"] for feature in read_layer(Path(map_dir), "buildings")["features"]]
    found.sort(key=lambda building: building.get("number") or 0)
    return tuple(
        Choice(
            value=building["name"],
            label={"zh": building["name"], "en": building.get("name_en") or building["name"]},
        )
        for building in found
    )


def case_form(service: Service, *, map_dir: str, for_other: bool) -> tuple[Field, ...]:
    """Ask what the service asks, then who may be called about it.

    `for_other`: a member of staff fills it in at the desk for somebody else.
    """
    asked = [
        msgspec.structs.replace(field, choices=buildings(map_dir)) if field.kind == "building" else field
        for field in service.fields
    ]
    who = gettext("居民姓名") if for_other else gettext("联系人姓名")
    asked += [
        Field(name="contact_name", kind="text", label=who, max_length=40, autocomplete="name"),
        Field(
            name="contact_phone",
            kind="phone",
            label=gettext("联系电话"),
            hint=gettext("只有处理此事的工作人员看得到。"),
            max_length=20,
            autocomplete="tel",
        ),
    ]
    if service.consent:
        asked.append(Field(name="consent", kind="agree", label=service.consent))
    return tuple(asked)


def step_form(action: Action, *, photo: bool) -> tuple[Field, ...]:
    """Ask what a step needs: a note, where to forward to, a rating, a photo."""
    fields: list[Field] = []
    if action is Action.FORWARD:
        fields.append(
            Field(name="level", kind="choice", label=gettext("转给哪一级"), choices=level_choices())
        )
        fields.append(
            Field(
                name="handler",
                kind="text",
                label=gettext("由谁处理"),
                hint=gettext("例如：物业服务处、城管中队。"),
                max_length=40,
            )
        )
    if action is Action.RATE:
        fields.append(
            Field(name="rating", kind="choice", label=gettext("您满意吗？"), choices=rating_choices())
        )
    fields.append(
        Field(
            name="note",
            kind="textarea",
            label=_note_label(action),
            required=action in NEEDS_NOTE,
            max_length=NOTE_LENGTH,
            rows=3,
        )
    )
    if photo:
        fields.append(Field(name="photos", kind="photos", label=gettext("照片"), required=False))
    return tuple(fields)


def level_choices() -> tuple[Choice, ...]:
    """Give the three levels a case can go to."""
    words = {
        "community": gettext("社区（物业、志愿者）"),
        "street": gettext("街道、镇"),
        "department": gettext("区级部门"),
    }
    return tuple(Choice(value=level, label=words[level]) for level in LEVELS)


def rating_choices() -> tuple[Choice, ...]:
    """Give the five ratings, the best first."""
    words = (gettext("很满意"), gettext("满意"), gettext("一般"), gettext("不满意"), gettext("很不满意"))
    return tuple(Choice(value=value, label=label) for value, label in zip(RATINGS, words, strict=True))


def _note_label(action: Action) -> str:
    return {
        Action.ASK: gettext("请居民补充什么？"),
        Action.ANSWER: gettext("补充的内容"),
        Action.REPLY: gettext("回复居民"),
        Action.FINISH: gettext("处理结果"),
        Action.DECLINE: gettext("不能受理的原因"),
        Action.REOPEN: gettext("哪里没有解决？"),
        Action.WITHDRAW: gettext("撤回的原因"),
        Action.RATE: gettext("想说的话"),
    }.get(action, gettext("说明"))
