"""What a look at somebody's ways, numbers or papers is for: constant words in the record."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext

PURPOSES: Mapping[str, object] = {
    "care": lazy_gettext("家人照护"),
    "own": lazy_gettext("本人查看"),
    "emergency": lazy_gettext("紧急救助"),
    "watch": lazy_gettext("日常巡看"),
    "alarm": lazy_gettext("核实报警"),
    "lost": lazy_gettext("寻找走失的人"),
    "family": lazy_gettext("家属请我们看"),
    "doctor": lazy_gettext("给医生看"),
    "report": lazy_gettext("写事件报告"),
    "maintenance": lazy_gettext("检查设备"),
    "trial": lazy_gettext("试报警设置"),
    "fence": lazy_gettext("画安全区域"),
    "settings": lazy_gettext("改照护设置"),
    "service": lazy_gettext("替本人办事"),
    "authority": lazy_gettext("公安、民政等依法核对"),
    "correct": lazy_gettext("核对和更正登记"),
}
"""The word in the record -> what a person reads."""
CHOICES = ("watch", "alarm", "family", "doctor", "lost", "report", "maintenance")
"""What who is not of the family chooses from; the family looks in order to care."""
NUMBER_CHOICES = ("service", "emergency", "authority", "correct")
"""What an identity number is opened for."""


def split(detail: str) -> tuple[str, str]:
    """The purpose an entry's detail begins with, empty where it begins with none, and the rest."""
    first, _, rest = detail.partition(" ")
    return (first, rest) if first in PURPOSES else ("", detail)
