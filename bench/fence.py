"""What a fence costs: one event against a wearer's own fences, and a million fixes against ten thousand.

The baselines are shapely's `contains` and `distance`, asked event by event as a program would that keeps
its fences as polygons, and geopandas' `sjoin` of the same fixes and fences.
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
    middles = zip(south + random.random(many) * high, west + random.random(many) * wide, strict=True)
    rings = [ring(*map(float, middle), float(random.uniform(60, 250))) for middle in middles]
    shapes = [Polygon(corners=corners, near_m=NEAR_M) for corners in rings]
    places = geopandas.GeoDataFrame(geometry=shapely.points(lons, lats), crs="EPSG:4326")
    fences = geopandas.GeoDataFrame(geometry=[shapely.Polygon(turned(one)) for one in rings], crs="EPSG:4326")
    index = Index(shapes, near_m=0.0)
    kept: dict[str, Any] = {}

    def ours() -> None:
        found = list(index.near(lats, lons))
        fixes, numbers = (np.concatenate(part) for part in zip(*found, strict=True))
        kept["pairs"], kept["metres"] = (fixes, numbers), index.signed_distances(lats, lons, (fixes, numbers))

    def joined() -> None:
        kept["joined"] = geopandas.sjoin(places, fences, predicate="within")

    def joined_and_measured() -> None:
        found = geopandas.sjoin(places, fences, predicate="within")
        borders = fences.boundary.to_crs(UTM).iloc[found["index_right"]]
        kept["utm"] = found.geometry.to_crs(UTM).distance(borders, align=False)

    print(f"\nbatch: {count:,} fixes x {many:,} fences of 8 corners, 60 to 250 m; cpu, one core")
    works = {"index": ours, "sjoin": joined, "sjoin, metres in UTM": joined_and_measured}
    seconds = {name: micros(work, 1_000_000) for name, work in works.items()}
    for name, spent in seconds.items():
        print(f"{name:24}{spent:8.2f} s{count / spent:>14,.0f} fixes/s")
    fixes, numbers = kept["pairs"]
    ratios = " and ".join(f"{spent / seconds['index']:.1f}x" for spent in list(seconds.values())[1:])
    print(f"the index, which gives metres, is {ratios} as fast")
    alone = micros(lambda: index.signed_distances(lats, lons, (fixes, numbers)), len(fixes))
    print(f"signed distances of {len(fixes):,} chosen pairs: {1 / alone:.2f} million checks/s")
    agree(kept, many)


def agree(kept: dict[str, Any], many: int) -> None:
    """Say how far apart the two answers are: sjoin's edges are straight in degrees, ours on the ground."""
    fixes, numbers = kept["pairs"]
    inside = kept["metres"] < 0
    mine = set((fixes[inside] * many + numbers[inside]).tolist())
    other = kept["joined"]
    theirs = set((other.index.to_numpy() * many + other["index_right"].to_numpy()).tolist())
    metres = dict(zip((fixes * many + numbers).tolist(), np.abs(kept["metres"]).tolist(), strict=True))
    differ = mine ^ theirs
    worst_m = max((metres[pair] for pair in differ), default=0.0)
    print(f"inside: {len(mine):,} against {len(theirs):,}; {len(differ)} differ, none farther than", end=" ")
    print(f"{worst_m * 1000:.1f} mm from the border")
