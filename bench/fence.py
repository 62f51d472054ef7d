"""What a fence costs: one event against a wearer's own fences, and a million fixes against ten thousand.

The baselines are shapely's `contains` and `distance`, asked event by event as a program would that keeps
its fences as polygons, and geopandas' `sjoin` of the same fixes and fences.
Both sides have their fences ready and give the same pairs; what else is ready is said line by line.
Times are the processor's (`process_time`), the best of several turns, both sides in turn:
read the ratios, the machine is shared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import geopandas
import numpy as np
import shapely
from shapely import Point

from geofence.index import Index
from geofence.outline import outline
from geofence.raster import Raster
from geofence.shape import Circle, Corridor, FenceShape, Polygon

FIXES = 1_000_000
FENCES = 10_000
FULL_S = 5.0
"""With so many --seconds or more the batch has its full size; with fewer it shrinks alike."""
TURNS = 5
EVENTS = 4_000
NEAR_M = 91.0
"""What the rule asks for: its margin of 20 m, its hysteresis of 10 m, 60 m for how unsure a fix is, and 1."""
HOME = (31.15535, 121.1046)
CITY = (31.0, 121.0, 0.3, 0.35)
"""South, west, height and width in degrees; a smaller batch has a smaller city, as full."""
UTM = "EPSG:32651"
METRES_A_DEGREE = 111_195.0


def ring(lat: float, lon: float, radius_m: float, corners: int = 8) -> tuple[tuple[float, float], ...]:
    """A ring of corners around a place."""
    up = radius_m / METRES_A_DEGREE
    across = up / math.cos(math.radians(lat))
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    return tuple((lat + up * math.sin(turn), lon + across * math.cos(turn)) for turn in turns)


OWN = (
    Circle(lat=HOME[0], lon=HOME[1], radius_m=90),
    Polygon(corners=ring(HOME[0] + 0.004, HOME[1], 120), near_m=NEAR_M),
    Corridor(
        line=((31.1554, 121.1046), (31.156, 121.106), (31.1575, 121.108)), half_width_m=25, near_m=NEAR_M
    ),
)
PLACES = {
    "far from all three": (31.18, 121.14),
    "at one's border": (HOME[0] + 0.004 + 0.00105, HOME[1]),
    "deep in one": (HOME[0] + 0.004, HOME[1]),
    "at the borders of two": (31.1560, 121.1051),
}


def main(*, seconds: float) -> None:
    """Measure both and print."""
    one_event()
    batch(min(1.0, seconds / FULL_S))


def micros(work: Callable[[], object], count: int) -> float:
    """The processor's microseconds of one of `count` things that a call of `work` does; the best turn."""
    work()
    spent = []
    for _ in range(TURNS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent) / count * 1e6


# --------------------------------------------------------------------------- one event


def one_event() -> None:
    """An event against the three fences of its wearer: signed distances, against shapely's answers."""
    shapes = [shapely.union_all([shapely.Polygon(turned(*area)) for area in outline(one)]) for one in OWN]
    borders = [shape.exterior for shape in shapes]
    print("one event, a wearer's circle, polygon of 8 corners and corridor; cpu µs for all three")
    heads = ("signed distance", "exact", "contains", "contains and distance", "ratios")
    print(f"{'':24}" + "".join(f"{head:>{max(10, len(head) + 2)}}" for head in heads))
    for name, (lat, lon) in PLACES.items():
        told = micros(partial(asked, OWN, lat, lon), EVENTS)
        exact = micros(partial(asked_exactly, OWN, lat, lon), EVENTS)
        naive = micros(partial(contained, shapes, lat, lon), EVENTS)
        more = micros(partial(measured, shapes, borders, lat, lon), EVENTS)
        ratios = f"{naive / told:.1f}x, {more / told:.1f}x"
        print(f"{name:24}{told:>17.2f}{exact:>10.2f}{naive:>10.1f}{more:>23.1f}{ratios:>14}")


def asked(shapes: Sequence[FenceShape], lat: float, lon: float) -> None:
    """Events against our shapes."""
    for _ in range(EVENTS):
        for one in shapes:
            one.signed_distance_m(lat, lon)


def asked_exactly(shapes: Sequence[FenceShape], lat: float, lon: float) -> None:
    """The same, exact however far: what a vague fix needs."""
    for _ in range(EVENTS):
        for one in shapes:
            one.exact_distance_m(lat, lon)


def contained(shapes: Sequence[Any], lat: float, lon: float) -> None:
    """The same events against shapely's polygons: only whether they are inside."""
    for _ in range(EVENTS):
        place = Point(lon, lat)
        for shape in shapes:
            shape.contains(place)


def measured(shapes: Sequence[Any], borders: Sequence[Any], lat: float, lon: float) -> None:
    """The same, and how far from the border, in degrees."""
    for _ in range(EVENTS):
        place = Point(lon, lat)
        for shape, border in zip(shapes, borders, strict=True):
            shape.contains(place)
            border.distance(place)


def turned(outer: Any, *holes: Any) -> list[tuple[float, float]]:
    """A ring without holes as x, y."""
    assert not holes
    return [(lon, lat) for lat, lon in outer]


# --------------------------------------------------------------------------- a batch


def batch(share: float) -> None:
    """Every fix of a city against every fence of it: who is inside what, and how far from the border."""
    random = np.random.default_rng(7)
    count, many = int(FIXES * share), max(10, int(FENCES * share))
    south, west, high, wide = CITY
    high, wide = high * math.sqrt(share), wide * math.sqrt(share)
    lats, lons = south + random.random(count) * high, west + random.random(count) * wide
    ups, acrosses = south + random.random(many) * high, west + random.random(many) * wide
    sizes_m = random.uniform(60, 250, many)
    middles = list(zip(ups.tolist(), acrosses.tolist(), sizes_m.tolist(), strict=True))
    rings = [ring(*middle) for middle in middles]
    print(f"\nbatch: {count:,} fixes x {many:,} fences of 8 corners, 60 to 250 m; cpu, one core")
    compared([Polygon(corners=corners, near_m=NEAR_M) for corners in rings], lats, lons)
    print("\nbatch: the same with a third circles and a third corridors, which sjoin has as polygons")
    compared([mixed(number, *middle) for number, middle in enumerate(middles)], lats, lons)


def mixed(number: int, lat: float, lon: float, radius_m: float) -> FenceShape:
    """A circle, a corridor or a polygon."""
    if number % 3 == 0:
        return Circle(lat=lat, lon=lon, radius_m=radius_m)
    if number % 3 == 1:
        return Corridor(line=ring(lat, lon, radius_m, 4)[:3], half_width_m=radius_m / 6, near_m=NEAR_M)
    return Polygon(corners=ring(lat, lon, radius_m), near_m=NEAR_M)


def compared(shapes: Sequence[FenceShape], lats: Any, lons: Any) -> None:
    """Both sides over the same fixes and fences, in turn, and whether they agree."""
    count = len(lats)
    drawn = [
        [shapely.Polygon(turned(outer), list(map(turned, holes))) for outer, *holes in outline(one)]
        for one in shapes
    ]
    fences = geopandas.GeoDataFrame(geometry=[shapely.union_all(one) for one in drawn], crs="EPSG:4326")
    places = geopandas.GeoDataFrame(geometry=shapely.points(lons, lats), crs="EPSG:4326")
    raster, index = Raster(shapes), Index(shapes, near_m=0.0)
    kept: dict[str, Any] = {}

    def ours() -> None:
        kept["inside"] = raster.inside(lats, lons)

    def measured() -> None:
        found = list(index.near(lats, lons))
        pairs = tuple(np.concatenate(part) for part in zip(*found, strict=True))
        kept["pairs"], kept["metres"] = pairs, index.signed_distances(lats, lons, pairs)

    def joined(fixes: Any = places) -> None:
        kept["joined"] = geopandas.sjoin(fixes, fences, predicate="within")

    def joined_anew() -> None:
        joined(geopandas.GeoDataFrame(geometry=places.geometry.array.copy(), crs="EPSG:4326"))

    def joined_from_degrees() -> None:
        joined(geopandas.GeoDataFrame(geometry=shapely.points(lons, lats), crs="EPSG:4326"))

    def joined_and_measured() -> None:
        joined()
        found = kept["joined"]
        borders = fences.boundary.to_crs(UTM).iloc[found["index_right"]]
        found.geometry.to_crs(UTM).distance(borders, align=False)

    works = {
        "raster: made, and asked": lambda: Raster(shapes).inside(lats, lons),
        "raster: kept, and asked": ours,
        "index: and metres": measured,
        "sjoin: from degrees": joined_from_degrees,
        "sjoin: points made before": joined_anew,
        "sjoin: its tree kept too": joined,
        "sjoin: and metres in UTM": joined_and_measured,
    }
    seconds = side_by_side(works)
    for name, spent in seconds.items():
        print(f"{name:28}{spent:8.3f} s{count / spent:>14,.0f} fixes/s")
    made, asked_only, metres, degrees, points, tree, utm = seconds.values()
    print(f"both from degrees, all made in the time:       {degrees / made:5.1f}x")
    print(f"sjoin's points made before, its tree not:      {points / made:5.1f}x")
    print(f"raster and tree kept from an earlier batch:    {tree / asked_only:5.1f}x")
    print(f"the raster made in the time, sjoin's tree not: {tree / made:5.1f}x")
    print(f"inside and metres from the border:             {utm / metres:5.1f}x")
    fixes, numbers = kept["pairs"]
    alone = micros(lambda: index.signed_distances(lats, lons, (fixes, numbers)), len(fixes))
    print(f"signed distances of {len(fixes):,} chosen pairs: {1 / alone:.2f} million checks/s")
    agree(kept, shapes, lats, lons)


def side_by_side(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The processor's seconds of each work, the best of several turns of all in turn."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(TURNS):
        for name, work in works.items():
            began = time.process_time()
            work()
            spent[name].append(time.process_time() - began)
    return {name: min(times) for name, times in spent.items()}


def agree(kept: dict[str, Any], shapes: Sequence[FenceShape], lats: Any, lons: Any) -> None:
    """Hold the answers against each other: sjoin's edges are straight in degrees, circles cornered."""
    many = len(shapes)
    fixes, numbers = kept["inside"]
    mine = np.sort(fixes * many + numbers)
    near, which = kept["pairs"]
    inside = kept["metres"] < 0
    exact = np.sort(near[inside] * many + which[inside])
    print(
        f"inside: {len(mine):,}; raster and index {'agree' if np.array_equal(mine, exact) else 'DIFFER'}",
        end="; ",
    )
    other = kept["joined"]
    theirs = other.index.to_numpy() * many + other["index_right"].to_numpy()
    worst_m = dict.fromkeys(("Circle", "Corridor", "Polygon"), (0, 0.0))
    for pair in np.setxor1d(mine, theirs).tolist():
        fix, number = divmod(pair, many)
        kind = type(shapes[number]).__name__
        away_m = abs(shapes[number].exact_distance_m(float(lats[fix]), float(lons[fix])))
        worst_m[kind] = worst_m[kind][0] + 1, max(worst_m[kind][1], away_m)
    told = (
        f"{kind} {differ}, at most {away_m:.4f} m from the border"
        for kind, (differ, away_m) in worst_m.items()
    )
    print("sjoin differs: " + "; ".join(told))
