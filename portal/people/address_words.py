"""Names of places as the reader says them."""

from __future__ import annotations

import re
from typing import Final

from portal.i18n import gettext
from portal.people.addresses import split_name
from portal.people.language import DEFAULT_LANGUAGE, chosen_language

NUMBERED: Final = re.compile(r"(\d{1,4})栋")


def building_words(name: str) -> str:
    """Give a building's name in the reader's language: "3栋" is "Building 3"; a name of its own stays."""
    found = NUMBERED.fullmatch(name)
    return gettext("%(number)s栋", number=found[1]) if found else name


def household_words(name: str) -> str:
    """Give a household's name in the reader's language: "2单元401" is "Entrance 2 · 401"."""
    unit, room = split_name(name)
    if not unit or chosen_language() == DEFAULT_LANGUAGE:
        return name
    return f"{gettext('%(unit)s 单元', unit=unit)} · {room}"
