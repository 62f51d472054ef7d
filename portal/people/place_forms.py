"""The questions about places, their kinds in words, and what is wrong with a name."""

from __future__ import annotations

import re
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.fields import Choice, Field
from portal.i18n import gettext
from portal.people.models import BODIES, Organisation
from portal.people.organisations import find, kinds_under

CODE: Final = re.compile(r"[a-z][a-z0-9-]{1,39}")
"""A community's code stands in topics and file names."""


def kind_words() -> dict[str, str]:
    """What each kind of place or body is called."""
    return {
        "district": gettext("区"),
        "street": gettext("街道（镇）"),
        "community": gettext("小区"),
        "grid": gettext("网格"),
        "building": gettext("楼栋"),
        "household": gettext("住户"),
        "committee": gettext("居委会"),
        "property": gettext("物业公司"),
        "owners": gettext("业委会"),
        "department": gettext("职能部门"),
    }


def add_fields(parent_kind: str) -> tuple[Field, ...]:
    """What is asked to add one place or body under a place of this kind; nothing where none can stand."""
    kinds = kinds_under(parent_kind)
    if not kinds:
        return ()
    words = kind_words()
    choices = tuple(Choice(value=kind, label=words[kind]) for kind in kinds)
    fields = [
        Field(name="kind", kind="select", label=gettext("添加什么"), choices=choices),
        Field(
            name="name",
            kind="text",
            label=gettext("名称"),
            max_length=60,
            hint=gettext("例如 第3网格、12栋、2单元401"),
        ),
    ]
    if "community" in kinds:
        hint = gettext("小写字母和数字，网关和手环用它认小区，以后不能改")
        code = Field(
            name="code",
            kind="text",
            label=gettext("小区代号"),
            hint=hint,
            max_length=40,
            when_field="kind",
            when_value="community",
        )
        fields.append(code)
    return tuple(fields)


def many_fields() -> tuple[Field, ...]:
    """What is asked to make the households of a building at once."""
    return (
        Field(name="units", kind="number", label=gettext("几个单元"), minimum=1, maximum=20, max_length=2),
        Field(name="floors", kind="number", label=gettext("几层"), minimum=1, maximum=60, max_length=2),
        Field(name="doors", kind="number", label=gettext("每层几户"), minimum=1, maximum=20, max_length=2),
    )


def rename_fields() -> tuple[Field, ...]:
    """What is asked to rename a place."""
    return (Field(name="name", kind="text", label=gettext("新名称"), max_length=60),)


def trouble(
    session: Session,
    parent: Organisation,
    *,
    name: str,
    code: str = "",
    kind: str = "",
    except_for: int = 0,
) -> dict[str, str]:
    """What stands against a place of this name (and code) under this parent, by question."""
    wrong = {}
    if parent.closed_at is not None:
        wrong["name"] = gettext("上一级已停用，请先恢复它。")
    same = sa.select(Organisation.id).where(
        Organisation.parent_id == parent.id, Organisation.name == name, Organisation.id != except_for
    )
    if kind not in BODIES and session.scalar(same) is not None:
        wrong["name"] = gettext("这里已经有 %(name)s 了。", name=name)
    if kind == "community" and not CODE.fullmatch(code):
        wrong["code"] = gettext("请用小写字母开头，只用小写字母、数字和短横线。")
    elif code and find(session, code) is not None:
        wrong["code"] = gettext("这个代号已经有人用了。")
    return wrong
