"""What a look at somebody's ways or numbers is for: constant words in the record."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext

PURPOSES: Mapping[str, object] = {
    "care": lazy_gettext("日常照护"),
    "alarm": lazy_gettext("核实报警"),
    "lost": lazy_gettext("寻找走失的人"),
    "family": lazy_gettext("家属请我们看"),
    "doctor": lazy_gettext("给医生看"),
    "report": lazy_gettext("写事件报告"),
    "maintenance": lazy_gettext("检查设备"),
    "own": lazy_gettext("本人查看"),
}
"""The word in the record -> what a person reads."""
CHOICES = ("alarm", "lost", "family", "doctor", "report", "maintenance")
"""What who is on duty chooses from; daily care is the family's."""


def split(detail: str) -> tuple[str, str]:
    """The purpose an entry's detail begins with, empty where it begins with none, and the rest."""
    first, _, rest = detail.partition(" ")
    return (first, rest) if first in PURPOSES else ("", detail)
