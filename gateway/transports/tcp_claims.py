"""Who speaks for a device: at most two lines, because one of them may be dead without knowing it.

A watch that lost its network comes back on a new line while the old one still looks open.
An impostor who claims its id looks the same at first, so the older line is not cut for the newer one:
that would let anybody silence a real band.
The difference shows later: a dead line never speaks again.
When a line speaks that had spoken before, and another has spoken since, both are alive, and one is no band.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.transports.tcp_line import Line

MAX_LINES = 2
OVERLAP_S = 5.0
"""What a line says so soon after another came may have been on its way before, and proves nothing."""


class Verdict(NamedTuple):
    """What follows from a line's words: a line too many to cut, another that lives beside this one."""

    cut: Line | None = None
    double: Line | None = None


NOTHING = Verdict()


class Claims:
    """The lines of each device, in the order in which they last spoke."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[str, list[Line]] = {}

    def of(self, device: str) -> tuple[Line, ...]:
        """The lines of a device, the one silent longest first."""
        return tuple(self._lines.get(device, ()))

    def spoke(self, device: str, line: Line, now_s: float) -> Verdict:
        """Note that this line spoke for this device; `known_at` of every line here is set."""
        lines = self._lines.setdefault(device, [])
        if lines and lines[-1] is line:
            return NOTHING
        if line not in lines:
            lines.append(line)
            return Verdict(cut=lines[0]) if len(lines) > MAX_LINES else NOTHING
        other = lines[-1]
        if now_s - max(line.known_at or 0.0, other.known_at or 0.0) < OVERLAP_S:
            return NOTHING
        lines.remove(line)
        lines.append(line)
        return Verdict(double=other)

    def gone(self, device: str, line: Line) -> None:
        """Forget a line. Idempotent."""
        lines = self._lines.get(device)
        if lines is not None and line in lines:
            lines.remove(line)
            if not lines:
                del self._lines[device]
