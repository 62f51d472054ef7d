"""A grid in degrees over the edges of many shapes, and where on it their edges pass."""

from __future__ import annotations

import math
from dataclasses import dataclass

from geofence.border import Edges, Floats, Numbers

MOST_CELLS = 4_000_000
"""A grid has at most about so many: shapes far apart have larger cells."""
LEAST_DEG = 1e-5
ROUNDING = 1e-6
"""Of a cell: more than all rounding, for a grid has no more cells than `MOST_CELLS` and its rim."""
LEVEL = 1e-3
"""Of a cell: an edge that rises less may be anywhere along its length in its row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells from a south-west corner in degrees; no shape reaches the outermost ones."""

    south: float
    west: float
    rows_a_deg: float
    columns_a_deg: float
    rows: int
    columns: int

    def up(self, lats: Floats) -> Floats:
        """Give latitudes in rows, with fractions."""
        return (lats - self.south) * self.rows_a_deg

    def across(self, lons: Floats) -> Floats:
        """Give longitudes in columns, with fractions."""
        return (lons - self.west) * self.columns_a_deg


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Edges on a grid, in rows `v` and columns `u`; `doubt`: how far off they may be, in cells.

    `boxes`: each piece's first row, the one after its last, its first column, two after its last.
    `a u + b v + c` is how many doubts a place is beside the edge's line.
    """

    grid: Grid
    boxes: tuple[Numbers, Numbers, Numbers, Numbers]
    doubt: Floats
    u: Floats
    v: Floats
    to_u: Floats
    to_v: Floats
    low: Floats
    high: Floats
    a: Floats
    b: Floats
    c: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The rows of the edges: which edge, which row, the first column it may touch there, and how many.

    `crossed`: of these, the ones that pass the middle of their row; `crossed_at`: in which column.
    """

    edge: Numbers
    row: Numbers
    first: Numbers
    count: Numbers
    crossed: Numbers
    crossed_at: Numbers


def lay(edges: Edges, cells: int) -> Laid:
    """Give the edges on a grid of which the boxes of all pieces have about `cells` together."""
    import numpy as np  # noqa: PLC0415 (it comes with shapely: only who has a batch pays)

    south, north, west, east = edges.boxes
    high, wide = north.max() - south.min(), east.max() - west.min()
    narrow = math.cos(math.radians((north.max() + south.min()) / 2))
    boxes = ((north - south) * (east - west)).sum()
    cell = math.sqrt(max(boxes / cells, high * wide / MOST_CELLS) * narrow)
    cell = max(cell, LEAST_DEG, (high + wide * narrow) / MOST_CELLS)
    steepest = np.radians(np.maximum(np.abs(edges.lats), np.abs(edges.to_lats)))
    cell_m = 110_000 * cell * np.minimum(1.0, np.cos(steepest) / narrow)
    doubt = edges.off_m / cell_m + ROUNDING
    rim = float(doubt.max()) + 2
    grid = Grid(
        south=float(south.min()) - rim * cell,
        west=float(west.min()) - rim * cell / narrow,
        rows_a_deg=1 / cell,
        columns_a_deg=narrow / cell,
        rows=int(high / cell + 2 * rim) + 2,
        columns=int(wide * narrow / cell + 2 * rim) + 2,
    )
    u, v, to_u, to_v = (
        grid.across(edges.lons),
        grid.up(edges.lats),
        grid.across(edges.to_lons),
        grid.up(edges.to_lats),
    )
    a, b = to_v - v, u - to_u
    length = np.hypot(a, b) * doubt
    a /= length
    b /= length
    apart = np.maximum.reduceat(doubt, edges.starts)
    return Laid(
        grid=grid,
        boxes=(
            (grid.up(south) - apart).astype(np.int64),
            (grid.up(north) + apart).astype(np.int64) + 1,
            (grid.across(west) - apart).astype(np.int64),
            (grid.across(east) + apart).astype(np.int64) + 2,
        ),
        doubt=doubt,
        u=u,
        v=v,
        to_u=to_u,
        to_v=to_v,
        low=np.minimum(v, to_v),
        high=np.maximum(v, to_v),
        a=a,
        b=b,
        c=-(a * u + b * v),
    )


def walk(laid: Laid) -> Steps:
    """Give each edge row by row."""
    import numpy as np  # noqa: PLC0415 (as above)

    first = (laid.low - laid.doubt).astype(np.int64)
    edge, row = runs(first, (laid.high + laid.doubt).astype(np.int64) + 1 - first)
    level = laid.high - laid.low < LEVEL
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (laid.to_u - laid.u) / (laid.to_v - laid.v)
    slope[level] = 0.0
    base, slope, doubt = (laid.u - slope * laid.v)[edge], slope[edge], laid.doubt[edge]
    low, high = laid.low[edge], laid.high[edge]
    begin = base + slope * np.maximum(low, row - doubt)
    end = base + slope * np.minimum(high, row + 1 + doubt)
    lies = level[edge]
    if lies.any():
        begin[lies], end[lies] = laid.u[edge[lies]], laid.to_u[edge[lies]]
    leftmost = (np.minimum(begin, end) - doubt).astype(np.int64)
    middle = row + 0.5
    (crossed,) = np.nonzero((low <= middle) & (middle < high))
    return Steps(
        edge=edge,
        row=row,
        first=leftmost,
        count=(np.maximum(begin, end) + doubt).astype(np.int64) + 1 - leftmost,
        crossed=crossed,
        crossed_at=_crossings(laid, edge[crossed], middle[crossed]).astype(np.int64),
    )


def _crossings(laid: Laid, edge: Numbers, v: Floats) -> Floats:
    """Where edges are at a height between their ends, never beyond these."""
    import numpy as np  # noqa: PLC0415 (as above)

    u, to_u, from_v = laid.u[edge], laid.to_u[edge], laid.v[edge]
    at = u + (v - from_v) / (laid.to_v[edge] - from_v) * (to_u - u)
    return np.clip(at, np.minimum(u, to_u), np.maximum(u, to_u))


def runs(starts: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """Give runs of whole numbers one after the other: which run each is of, and the numbers themselves."""
    import numpy as np  # noqa: PLC0415 (as above)

    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) + (starts - np.cumsum(counts) + counts)[which]
