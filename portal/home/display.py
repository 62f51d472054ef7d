"""How big the words are: the standard pages or elder mode, remembered in a cookie on this device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COOKIE: Final = "display"
COOKIE_AGE_S: Final = 400 * 86_400
"""Browsers keep no cookie longer than 400 days."""
SIZES_PX: Final = (24, 28, 32, 40)
"""Sizes of the running text in elder mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """What the reader chose; `size_px` counts only in elder mode."""

    elder: bool = False
    size_px: int = SIZES_PX[0]

    @property
    def cookie(self) -> str:
        """The value of the cookie: "standard" or "elder-28"."""
        return f"elder-{self.size_px}" if self.elder else "standard"


def from_cookie(value: str) -> Display:
    """Give what a cookie says; anything unknown is the standard page."""
    kind, _, size = value.partition("-")
    if kind != "elder":
        return Display()
    known = {str(px): px for px in SIZES_PX}
    return Display(elder=True, size_px=known.get(size, SIZES_PX[0]))
