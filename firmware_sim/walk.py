"""Walks: where somebody is at a time, as a closed function of that time. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Literal

from firmware_sim.ground import Point

Manner = Literal["once", "round", "to_and_fro"]


@dataclass(frozen=True, slots=True)
class Place:
    """A point, the walking speed in m/s there, and the course in degrees from north (0 when standing)."""

    point: Point
    speed_m_s: float
    course_deg: float


class Line:
    """A line of straight pieces, measured along itself."""

    def __init__(self, points: tuple[Point, ...]) -> None:
        if not points:
            raise ValueError("a line needs at least one point")
        self.points = points
        lengths = [math.dist(a, b) for a, b in pairwise(points)]
        self.marks_m = [0.0, *accumulate(lengths)]
        self.length_m = self.marks_m[-1]

    def at(self, along_m: float) -> tuple[Point, float]:
        """The point `along_m` from the start (held inside the line), and the course there in degrees."""
        along_m = min(max(along_m, 0.0), self.length_m)
        if self.length_m == 0:
            return self.points[0], 0.0
        piece = min(bisect_right(self.marks_m, along_m), len(self.points) - 1)
        (ax, ay), (bx, by) = self.points[piece - 1], self.points[piece]
        share = (along_m - self.marks_m[piece - 1]) / max(self.marks_m[piece] - self.marks_m[piece - 1], 1e-9)
        course = math.degrees(math.atan2(bx - ax, by - ay)) % 360
        return (ax + (bx - ax) * share, ay + (by - ay) * share), course


@dataclass(frozen=True, slots=True)
class Stretch:
    """One manner of walking from `start_s` on, beginning `start_m` along the line."""

    start_s: float
    line: Line
    speed_m_s: float
    manner: Manner
    start_m: float = 0.0

    def along_m(self, now_s: float) -> tuple[float, float]:
        """How far along the line, and in which direction (1, -1, or 0 when standing)."""
        gone_m = self.start_m + (now_s - self.start_s) * self.speed_m_s
        length_m = self.line.length_m
        if length_m == 0 or self.speed_m_s == 0:
            return self.start_m, 0.0
        if self.manner == "once":
            return (gone_m, 1.0) if gone_m < length_m else (length_m, 0.0)
        if self.manner == "round":
            return gone_m % length_m, 1.0
        phase_m = gone_m % (2 * length_m)
        return (phase_m, 1.0) if phase_m <= length_m else (2 * length_m - phase_m, -1.0)

    def place(self, now_s: float) -> Place:
        """Where the walker is at `now_s`."""
        along_m, direction = self.along_m(now_s)
        point, course_deg = self.line.at(along_m)
        if direction < 0:
            course_deg = (course_deg + 180) % 360
        return Place(point, self.speed_m_s if direction else 0.0, course_deg if direction else 0.0)


@dataclass(slots=True)
class Journey:
    """A daily round that can be left and come back to."""

    base: Stretch
    stretches: list[Stretch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stretches = [self.base]

    def place(self, now_s: float) -> Place:
        """Where the walker is at `now_s`."""
        current = self.stretches[0]
        for stretch in self.stretches:
            if stretch.start_s <= now_s:
                current = stretch
        return current.place(now_s)

    def leave(self, at_s: float, points: tuple[Point, ...], speed_m_s: float) -> None:
        """From `at_s` on, walk through these points and stay at the last."""
        here = self.place(at_s).point
        self._add(Stretch(at_s, Line((here, *points)), speed_m_s, "once"))

    def come_back(self, at_s: float, speed_m_s: float) -> None:
        """From `at_s` on, go back the way one came, then take up the daily round where it was left."""
        away = self.stretches[-1]
        if away is self.base or away.manner != "once":
            raise ValueError("comes back without having left")
        gone_m, _ = away.along_m(at_s)
        here, _ = away.line.at(gone_m)
        passed = [
            point
            for point, mark_m in zip(away.line.points, away.line.marks_m, strict=True)
            if mark_m < gone_m
        ]
        back = Line((here, *reversed(passed)))
        self._add(Stretch(at_s, back, speed_m_s, "once"))
        left_at_s = away.start_s
        base = self.base
        resumed_m = base.start_m + (left_at_s - base.start_s) * base.speed_m_s
        self._add(
            Stretch(at_s + back.length_m / speed_m_s, base.line, base.speed_m_s, base.manner, resumed_m)
        )

    def _add(self, stretch: Stretch) -> None:
        if stretch.start_s < self.stretches[-1].start_s:
            raise ValueError("walks must be told in the order of time")
        self.stretches.append(stretch)
