"""A way as the map and the time line draw it: columns of whole numbers, and the curve as SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portal.care.track.lines import simplified
from portal.care.track.read import Way
from portal.care.track.way import SOURCES, Track
from portal.care.track.words import Line

DEGREE = 1_000_000
"""Places are told in millionths of a degree (11 cm), each as the step from the one before."""
MOST_ROUGH = 2_000
WIDTH, HEIGHT = 1000, 120
"""Of the curve, in its own units."""
COLUMNS = 400
"""So many columns of the curve at most: the highest and the lowest of each are drawn."""
HEART_GAP_S = 30 * 60.0
HEADROOM_BPM = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Heart rate over the window: the path in `WIDTH` by `HEIGHT`, and what can be read without looking."""

    path: str
    low_bpm: int
    high_bpm: int
    mean_bpm: int


def columns(found: Way, told: Sequence[Line], *, start_ms: int, end_ms: int) -> dict[str, Any]:
    """What the page's program draws and plays; times are seconds since `start_ms`."""
    kept, error_m = simplified(found.exact, found.pieces)
    numbers = np.arange(len(found.exact))
    drawn = np.searchsorted(kept, [last for _, last in found.pieces], side="right")
    counts = np.diff(np.concatenate([[0], drawn])) if len(numbers) else np.empty(0)
    step = max(1, -(-len(found.rough) // MOST_ROUGH))
    return {
        "start_ms": start_ms,
        "end_ms": end_ms,
        "fixes": len(found.exact),
        "error_m": round(error_m, 1),
        "pieces": counts.astype(int).tolist(),
        **_steps(found.exact, kept, start_ms),
        "rough": _rough(found.rough, step, start_ms),
        "marks": [
            {
                "kind": line.kind,
                "number": line.number,
                "at": (line.at_ms - start_ms) // 1000,
                "end": (line.end_ms - start_ms) // 1000,
                "lat": line.lat,
                "lon": line.lon,
                "title": line.title,
            }
            for line in told
        ],
    }


def heart_columns(at_ms: NDArray[np.int64], bpm: NDArray[np.float64], *, start_ms: int) -> dict[str, Any]:
    """Heart rate for the play-back: seconds since the start and whole beats a minute."""
    return {"at": ((at_ms - start_ms) // 1000).tolist(), "bpm": np.rint(bpm).astype(int).tolist()}


def curve(at_ms: NDArray[np.int64], bpm: NDArray[np.float64], *, start_ms: int, end_ms: int) -> Curve | None:
    """The curve of a window, None without a reading; half an hour without one is a gap in it."""
    if not len(at_ms):
        return None
    low, high = float(bpm.min()), float(bpm.max())
    floor, ceiling = low - HEADROOM_BPM, high + HEADROOM_BPM
    chosen = _extremes(at_ms, bpm, start_ms=start_ms, end_ms=end_ms)
    xs = (at_ms[chosen] - start_ms) / (end_ms - start_ms) * WIDTH
    ys = (1 - (bpm[chosen] - floor) / (ceiling - floor)) * HEIGHT
    breaks = np.append(True, np.diff(at_ms[chosen]) > HEART_GAP_S * 1000)
    path = "".join(
        f"{'M' if new else 'L'}{x:.1f} {y:.1f}{'h0.01' if new else ''}"
        for x, y, new in zip(xs.tolist(), ys.tolist(), breaks.tolist(), strict=True)
    )
    return Curve(path=path, low_bpm=round(low), high_bpm=round(high), mean_bpm=round(float(bpm.mean())))


def bars(told: Sequence[Line], *, start_ms: int, end_ms: int) -> list[tuple[str, float, float, int]]:
    """Stays, gaps and alarms along the time line: kind, left and width in `WIDTH`, number."""
    scale = WIDTH / (end_ms - start_ms)
    return [
        (
            line.kind,
            round((line.at_ms - start_ms) * scale, 1),
            round(max(2.0, (line.end_ms - line.at_ms) * scale), 1),
            line.number,
        )
        for line in told
        if line.kind != "walk"
    ]


def _steps(track: Track, kept: NDArray[np.int64], start_ms: int) -> dict[str, list[int]]:
    whole = {
        "t": (track.at_ms[kept] - start_ms) // 1000,
        "lat": np.rint(track.lat[kept] * DEGREE).astype(np.int64),
        "lon": np.rint(track.lon[kept] * DEGREE).astype(np.int64),
    }
    return {name: np.diff(column, prepend=0).tolist() for name, column in whole.items()}


def _rough(track: Track, step: int, start_ms: int) -> list[list[Any]]:
    some = track.only(np.arange(len(track)) % step == 0)
    return [
        [
            (at_ms - start_ms) // 1000,
            round(lat, 6),
            round(lon, 6),
            None if math.isnan(accuracy) else round(accuracy),
            SOURCES[source],
        ]
        for at_ms, lat, lon, accuracy, source in zip(
            some.at_ms.tolist(),
            some.lat.tolist(),
            some.lon.tolist(),
            some.accuracy_m.tolist(),
            some.source.tolist(),
            strict=True,
        )
    ]


def _extremes(
    at_ms: NDArray[np.int64], bpm: NDArray[np.float64], *, start_ms: int, end_ms: int
) -> NDArray[np.int64]:
    """The numbers of the readings to draw, rising: of each column of time the lowest and the highest."""
    if len(at_ms) <= 2 * COLUMNS:
        return np.arange(len(at_ms))
    column = ((at_ms - start_ms) * COLUMNS // max(1, end_ms - start_ms)).astype(np.int64)
    order = np.lexsort((bpm, column))
    first = np.append(True, np.diff(column[order]) != 0)
    last = np.append(first[1:], True)
    return np.unique(np.concatenate([order[first], order[last]]))
