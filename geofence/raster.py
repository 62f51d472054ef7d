"""Which of many shapes hold which of many places, by a grid that knows most answers beforehand.

1. A cell of the grid knows the pieces of shapes that surely hold all of it, and those whose border passes it.
2. A place is in the former of its cell; in the latter it may be; in no others.
3. Of a border the cell keeps the edges that pass, and on which side the middle of its western side is:
   the way from there, north or south and then east to the place, changes sides with each edge it crosses.
4. A place nearer to an edge than that may be off is asked of the shape itself, and so is every place
   of a cell whose way begins so near.

So the answer is that of `signed_distance_m(...) < 0` for every place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from geofence.border import Edges, Floats, Numbers, edges_of
from geofence.grid import Steps, lay, runs, walk
from geofence.shape import FenceShape

CELLS = 500_000
"""Of use for some million places at a time; 10,000 fences take 80 MB while it is made and 20 MB after."""
AT_ONCE = 262_144
"""Places worked on at once: some 40 MB of memory."""
BITS = 3
TURNED, WEST, UNSURE = 1, 2, 4
"""What an item says beside the number of its edge, which is all above these bits:
the way changes sides whatever the place; the edge crosses the line of the cell's western side;
the way begins too near to the edge."""


class Raster:
    """A grid over many shapes; a shape's number is its place in `shapes`.

    `cells`: about how many the boxes of all pieces have together: the more, the longer it takes to make,
    and the fewer places are near a border.
    Raises ValueError without any shape.
    """

    def __init__(self, shapes: Sequence[FenceShape], *, cells: int = CELLS) -> None:
        import numpy as np  # noqa: PLC0415 (it comes with shapely: only who has a batch pays)

        if not shapes:
            raise ValueError("a raster needs at least one shape")
        edges = edges_of(shapes)
        self._pieces, self._shapes = edges.pieces, edges.shapes
        self._cut = np.bincount(edges.shapes) > 1
        self._laid = lay(edges, cells)
        self._fill(edges)

    def _fill(self, edges: Edges) -> None:
        """Lay out the boxes of all pieces row by row, find what is inside, and keep it cell by cell."""
        import numpy as np  # noqa: PLC0415 (as above)

        laid, grid, steps = self._laid, self._laid.grid, walk(self._laid)
        south, north, west, east = laid.boxes
        owner = np.repeat(np.arange(len(south)), np.diff(edges.starts, append=len(edges.lats)))
        piece_of, row = runs(south, north - south)
        wide = (east - west)[piece_of]
        begins = np.cumsum(wide) - wide
        to_grid = row * grid.columns + west[piece_of] - begins
        box_row = (np.cumsum(north - south) - north)[owner][steps.edge] + steps.row
        base = begins[box_row] - west[owner][steps.edge]
        inside = np.zeros(int(wide.sum()), np.int8)
        np.add.at(inside, base[steps.crossed] + steps.crossed_at + 1, np.int8(1))
        np.cumsum(inside, out=inside, dtype=np.int8)
        inside &= 1

        step, column = runs(steps.first, steps.count)
        place = base[step] + column
        sure = inside.astype(bool)
        sure[place] = False
        (held,) = np.nonzero(sure)
        rows_held = np.repeat(np.arange(len(wide), dtype=np.int32), wide)[held]
        order, cell = _sorted(to_grid[rows_held] + held)
        self._sure = piece_of[rows_held[order]]
        self._sure_from = _firsts(cell, grid.rows * grid.columns)
        self._keep(owner, self._items_of(steps, step, column), to_grid[box_row][step] + place, inside[place])

    def _items_of(self, steps: Steps, step: Numbers, column: Numbers) -> Numbers:
        """Each edge in each cell it may pass, and how the way from the cell's western side begins."""
        import numpy as np  # noqa: PLC0415 (as above)

        laid, edge = self._laid, steps.edge
        along = laid.b[edge] * (steps.row + 0.5) + laid.c[edge]
        start = laid.a[edge][step] * column + along[step]
        passes = (laid.u[edge][step] > column) != (laid.to_u[edge][step] > column)
        items: Numbers = (edge << BITS)[step]
        items |= (passes & (start > 0)) * TURNED | passes * WEST | (np.abs(start) < 1) * UNSURE
        return items

    def _keep(self, owner: Numbers, items: Numbers, cells: Numbers, inside: Numbers) -> None:
        """Keep items by cell, and in it by piece; where the way begins inside, its first one says so."""
        import numpy as np  # noqa: PLC0415 (as above)

        order, cell = _sorted(cells)
        items, inside = items[order], inside[order]
        piece = owner[items >> BITS]
        begun = np.ones(len(cell), bool)
        begun[1:] = (cell[1:] != cell[:-1]) | (piece[1:] != piece[:-1])
        (groups,) = np.nonzero(begun)
        items[groups] ^= inside[groups] * TURNED
        self._items = items
        self._groups = np.append(groups, len(cell))
        self._border = piece[groups]
        self._group_from = _firsts(cell[groups], self._laid.grid.rows * self._laid.grid.columns)

    def inside(self, lats: Floats, lons: Floats) -> tuple[Numbers, Numbers]:
        """Give every pair of a place and a shape it is in, as two arrays: the places' numbers, the shapes'.

        `lats` and `lons` are arrays of one length, in degrees; the pairs are in no order.
        """
        import numpy as np  # noqa: PLC0415 (as above)

        none = np.empty(0, dtype=np.int64)
        found = [(none, none)]
        for start in range(0, len(lats), AT_ONCE):
            places, pieces = self._some(lats[start : start + AT_ONCE], lons[start : start + AT_ONCE])
            found.append((places + start, _pick(self._shapes, pieces)))
        places, shapes = (np.concatenate(part) for part in zip(*found, strict=True))
        if not self._cut.any():
            return places, shapes
        cut = self._cut[shapes]
        pairs = np.sort(places[cut] * len(self._cut) + shapes[cut])
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        again = np.divmod(pairs, len(self._cut))
        return np.append(places[~cut], again[0]), np.append(shapes[~cut], again[1])

    def _some(self, lats: Floats, lons: Floats) -> tuple[Numbers, Numbers]:
        """Pairs of a place and a piece of a shape."""
        import numpy as np  # noqa: PLC0415 (as above)

        grid = self._laid.grid
        v, u = grid.up(lats), grid.across(lons)
        v, u = np.clip(v, 0, grid.rows - 1, out=v), np.clip(u, 0, grid.columns - 1, out=u)
        row, column = v.astype(np.int32), u.astype(np.int32)
        row *= grid.columns
        row += column
        found = [(places, _pick(self._sure, at)) for places, at in _each(self._sure_from, row)]
        near = list(_each(self._group_from, row))
        if near:
            places, groups = (np.concatenate(part) for part in zip(*near, strict=True))
            inside, unsure = self._sides(_pick(u, places), _pick(v, places), _pick(column, places), groups)
            pieces = _pick(self._border, groups)
            (doubtful,) = np.nonzero(unsure)
            at = places[doubtful]
            questions = zip(pieces[doubtful].tolist(), lats[at].tolist(), lons[at].tolist(), strict=True)
            told = [self._pieces[piece].signed_distance_m(lat, lon) < 0 for piece, lat, lon in questions]
            inside[doubtful] = told
            found.append((places[inside], pieces[inside]))
        if not found:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        places, pieces = (np.concatenate(part) for part in zip(*found, strict=True))
        return places, pieces

    def _sides(self, u: Floats, v: Floats, west: Floats, groups: Numbers) -> tuple[Numbers, Numbers]:
        """Whether each place is inside the piece of its group of edges, and whether it is too near to say."""
        import numpy as np  # noqa: PLC0415 (as above)

        first, after = _pick(self._groups, groups), _pick(self._groups[1:], groups)
        inside, unsure = self._crossed(first, u, v, west)
        (more,) = np.nonzero(after - first > 1)
        while len(more):
            first = first + 1
            turned, doubtful = self._crossed(*(_pick(part, more) for part in (first, u, v, west)))
            inside[more] ^= turned
            unsure[more] |= doubtful
            more = more[after[more] - first[more] > 1]
        return inside, unsure

    def _crossed(self, at: Numbers, u: Floats, v: Floats, west: Floats) -> tuple[Numbers, Numbers]:
        """Whether the way to each place changes sides at one edge, and whether that is too near to say."""
        import numpy as np  # noqa: PLC0415 (as above)

        laid = self._laid
        items = _pick(self._items, at)
        edge = items >> BITS
        a = _pick(laid.a, edge)
        corner = a * west + _pick(laid.b, edge) * v + _pick(laid.c, edge)
        here = corner + a * (u - west)
        unsure = np.minimum(np.abs(corner), np.abs(here)) < 1
        unsure |= (items & UNSURE) != 0
        east = (corner > 0) != (here > 0)
        east &= (_pick(laid.low, edge) <= v) & (v < _pick(laid.high, edge))
        north = (items & WEST) != 0
        north &= corner > 0
        return east ^ north ^ ((items & TURNED) != 0), unsure


def _sorted(cells: Numbers) -> tuple[Numbers, Numbers]:
    """The order in which cells rise, of equal ones the first first, and they in it: 16 bits at a time."""
    import numpy as np  # noqa: PLC0415 (as above)

    order = np.argsort((cells & 0xFFFF).astype(np.uint16), kind="stable")
    order = order[np.argsort((cells >> 16).astype(np.uint16)[order], kind="stable")]
    return order, cells[order]


def _firsts(cells: Numbers, many: int) -> Numbers:
    """Where each cell begins in sorted ones; one more at the end."""
    import numpy as np  # noqa: PLC0415 (as above)

    firsts = np.zeros(many + 1, dtype=np.int32)
    np.cumsum(np.bincount(cells, minlength=many), out=firsts[1:])
    return firsts


def _each(firsts: Numbers, cells: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """Every place with what its cell has first, then second, and so on, where it has."""
    import numpy as np  # noqa: PLC0415 (as above)

    at, end = _pick(firsts, cells), _pick(firsts[1:], cells)
    (places,) = np.nonzero(at < end)
    at, end = _pick(at, places), _pick(end, places)
    while len(places):
        yield places, at
        at = at + 1
        (more,) = np.nonzero(at < end)
        places, at, end = _pick(places, more), _pick(at, more), _pick(end, more)


def _pick(values: Numbers, at: Numbers) -> Numbers:
    """Some of the values; quicker than an index in brackets, for none is past the end."""
    return values.take(at, mode="clip")
