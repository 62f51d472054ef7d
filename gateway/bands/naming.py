"""What a band may be called on its wire: one rule for the desk of the box and for the portal's form. Pure."""

from __future__ import annotations

import re
import unicodedata

ID = re.compile(r"[^\s/+#$]{1,64}")
ID_WORDS = "1 to 64 visible characters, none of full width, without spaces and / + # $ (it stands in topics)"
MOST_CHARACTERS = 64
"""Of a name for people, and of a serial number."""


def is_id(text: str) -> bool:
    """Whether this can be the identity of a band, or its id on its wire (`ID_WORDS`)."""
    return bool(ID.fullmatch(text)) and text.isprintable() and unicodedata.is_normalized("NFKC", text)


def is_line(text: str) -> bool:
    """Whether this can be a name or a serial number: one line that is not too long."""
    return len(text) <= MOST_CHARACTERS and text.isprintable()
