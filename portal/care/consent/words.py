"""Consents in words: what is agreed to, for whom, why, what becomes of it; and who looked, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext

from portal.policy import Audience, Basis, Data

DATA_WORDS: Mapping[str, object] = {
    "location": lazy_gettext("位置和行踪"),
    "health": lazy_gettext("心率、血压等身体情况"),
    "face": lazy_gettext("面部照片"),
}
DATA_ICONS: Mapping[str, str] = {"location": "map-pin", "health": "heart-pulse", "face": "image"}
AUDIENCE_WORDS: Mapping[str, object] = {
    "guardians": lazy_gettext("家人和监护人"),
    "staff": lazy_gettext("居委会值班人员和网格员"),
}
BASIS_WORDS: Mapping[str, object] = {
    "own": lazy_gettext("本人同意"),
    "guardian": lazy_gettext("监护人代为同意"),
    "paper": lazy_gettext("纸面同意，工作人员登记"),
    "demo": lazy_gettext("演示用"),
}
SEEN: Mapping[str, object] = {
    "location": lazy_gettext("现在在哪里、去过哪里、安全区域画在哪里。"),
    "health": lazy_gettext("心率、血压、血氧、体温和步数，现在的和以前的。"),
    "face": lazy_gettext("一张认人用的照片。只给人看，不做人脸识别，不留面部特征。"),
}
USED: Mapping[str, object] = {
    "location": lazy_gettext("平时照看，走失时寻找。不作别的用途，不给别的人。"),
    "health": lazy_gettext("平时照看，看病时给医生看。不作别的用途，不给别的人。"),
    "face": lazy_gettext("走失时发给帮忙的人，平时留着备用。不作别的用途。"),
}
DECLINED: Mapping[str, object] = {
    "location": lazy_gettext(
        "不同意，他们平时看不到位置。手环求救、走出安全区域的报警，照样发短信、打电话。"
    ),
    "health": lazy_gettext("不同意，他们平时看不到身体情况。指标异常的报警，照样发短信、打电话。"),
    "face": lazy_gettext(
        "不同意，平时不给人看照片。人真的不见了，家人仍可以发照片找人，找到以后就不再给人看。"
    ),
}
UNTIL_DAYS: Mapping[str, int | None] = {"90": 90, "365": 365, "open": None}
UNTIL_WORDS: Mapping[str, object] = {
    "90": lazy_gettext("三个月"),
    "365": lazy_gettext("一年"),
    "open": lazy_gettext("一直到收回为止"),
}
SIGNERS: Mapping[str, object] = {
    "wearer": lazy_gettext("本人"),
    "guardian28": lazy_gettext("法定监护人（本人不能自己决定，民法典第二十八条）"),
    "guardian33": lazy_gettext("约定的监护人（本人事先书面指定，民法典第三十三条）"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One decision, whole, in words."""

    data: Data
    audience: Audience
    what: str
    who: str
    seen: str
    used: str
    declined: str
    icon: str


def asked(data: Data, audience: Audience) -> Asked:
    """What is asked for, before somebody decides."""
    return Asked(
        data=data,
        audience=audience,
        what=str(DATA_WORDS[data.value]),
        who=str(AUDIENCE_WORDS[audience.value]),
        seen=str(SEEN[data.value]),
        used=str(USED[data.value]),
        declined=str(DECLINED[data.value]),
        icon=DATA_ICONS[data.value],
    )


def basis_words(basis: str) -> str:
    """In what right a consent was given."""
    return str(BASIS_WORDS.get(basis, basis))


def is_by_proxy(basis: Basis | None) -> bool:
    """Whether somebody decides in the wearer's place."""
    return basis is Basis.GUARDIAN
