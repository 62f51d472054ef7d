"""Where a fence may begin: the house, the estate, the last position, the usual walk."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from shapely.geometry import Point, shape
from sqlalchemy.orm import Session

from gateway.profile import FenceTable
from portal.care.history import milliseconds
from portal.care.models import FixHistory, Wearer
from portal.care.places import METRES_A_DEGREE, read_layer
from portal.care.track.usual_walk import Seen, usual_walk
from portal.i18n import gettext
from portal.people.language import chosen_language

WALK_DAYS = 30
MOST_FIXES = 60_000
HOUSE_ROOM_M = 30.0
"""So far around the house one still is at home: the entrance, the bins, the bench."""
AROUND_M = 100.0
ROUND_M = 10.0
PLACES = 6
Answers = dict[str, str]


class NoPreset(LookupError):
    """A beginning that cannot be offered; its words say why, to the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A beginning by its name, in words, with its icon; `tracks`: made of where the wearer was."""

    name: str
    words: str
    icon: str
    tracks: bool


def presets(wearer: Wearer, folder: str, *, location: bool) -> list[Preset]:
    """Give what may be begun with; what is made of positions only with `location`, where there are some."""
    found = []
    if (house := _house(wearer, folder)) is not None:
        words = gettext("%(house)s周围", house=house["name"])
        found.append(Preset(name="house", words=words, icon="house", tracks=False))
    if _estate(folder) is not None:
        found.append(Preset(name="estate", words=gettext("整个小区"), icon="building-2", tracks=False))
    if location and wearer.state is not None and wearer.state.lat is not None:
        found.append(Preset(name="here", words=gettext("现在的位置"), icon="map-pin", tracks=True))
        found.append(Preset(name="walk", words=gettext("常走的路"), icon="footprints", tracks=True))
    return found


def preset_answers(name: str, session: Session, wearer: Wearer, folder: str, now: datetime) -> Answers:
    """Give the answers of the form for a beginning; raises NoPreset, in words, where there is none."""
    makers: Mapping[str, Callable[[], Answers]] = {
        "house": lambda: _around_house(_house(wearer, folder)),
        "estate": lambda: _whole_estate(_estate(folder)),
        "here": lambda: _around_here(wearer),
        "walk": lambda: _walk(session, wearer, now),
    }
    if name not in makers:
        raise NoPreset(gettext("没有这样的起点。"))
    return makers[name]() | {"datum": "wgs84"}


def ground_answers(fence: FenceTable) -> Answers:
    """Give the ground of a fence of one piece, in the degrees it stands in, as answers of the form."""
    if fence.polygon:
        holes = "\n\n".join(map(lines_of, fence.holes))
        return {"kind": "polygon", "corners": lines_of(fence.polygon), "holes": holes}
    if fence.line:
        return {
            "kind": "corridor",
            "line": lines_of(fence.line),
            "half_width_m": f"{fence.half_width_m or 0:g}",
        }
    if fence.centre is not None:
        lat, lon = fence.centre
        return {"kind": "circle", "lat": repr(lat), "lon": repr(lon), "radius_m": f"{fence.radius_m or 0:g}"}
    return {}


def lines_of(corners: Any) -> str:
    """Give corners as the form shows them: a line each, latitude first."""
    return "\n".join(f"{lat!r}, {lon!r}" for lat, lon in corners)


def _house(wearer: Wearer, folder: str) -> dict[str, Any] | None:
    """The building of the map whose name the home of the wearer begins with: "3栋" of "3栋2单元401"."""
    home = re.sub(r"\s", "", wearer.home)
    named = {
        str(one["properties"].get("name") or ""): one
        for one in read_layer(Path(folder), "buildings")["features"]
    }
    name = max((name for name in named if name and home.startswith(name)), key=len, default="")
    if not name:
        return None
    said = named[name]["properties"].get("name_en") if chosen_language() == "en" else None
    return {"name": said or name, "geometry": named[name]["geometry"]}


def _estate(folder: str) -> dict[str, Any] | None:
    features = read_layer(Path(folder), "boundary")["features"]
    drawn = features and features[0]["geometry"]["type"] == "Polygon"
    return features[0]["geometry"] if drawn else None


def _around_house(house: dict[str, Any] | None) -> Answers:
    if house is None:
        raise NoPreset(gettext("地图上没有找到住的那栋楼。"))
    ground = shape(house["geometry"])
    middle: Point = ground.centroid
    east_m = METRES_A_DEGREE * math.cos(math.radians(middle.y))
    reach_m = max(
        math.hypot((lon - middle.x) * east_m, (lat - middle.y) * METRES_A_DEGREE)
        for lon, lat in ground.convex_hull.exterior.coords
    )
    radius_m = math.ceil((reach_m + HOUSE_ROOM_M) / ROUND_M) * ROUND_M
    name = gettext("%(house)s周围", house=house["name"])
    return _circle(middle.y, middle.x, radius_m) | {"name": name}


def _whole_estate(geometry: dict[str, Any] | None) -> Answers:
    if geometry is None:
        raise NoPreset(gettext("地图上没有小区的边界。"))
    corners = [(round(lat, PLACES), round(lon, PLACES)) for lon, lat in geometry["coordinates"][0][:-1]]
    return {"kind": "polygon", "corners": lines_of(corners), "holes": "", "name": gettext("整个小区")}


def _around_here(wearer: Wearer) -> Answers:
    state = wearer.state
    if state is None or state.lat is None or state.lon is None:
        raise NoPreset(gettext("还没有收到位置。"))
    return _circle(state.lat, state.lon, AROUND_M)


def _walk(session: Session, wearer: Wearer, now: datetime) -> Answers:
    query = (
        sa.select(FixHistory.at_ms, FixHistory.lat, FixHistory.lon, FixHistory.accuracy_m)
        .where(
            FixHistory.wearer_id == wearer.id,
            FixHistory.at_ms >= milliseconds(now - timedelta(days=WALK_DAYS)),
            FixHistory.at_ms <= milliseconds(now),
            FixHistory.valid,
        )
        .order_by(FixHistory.at_ms.desc())
        .limit(MOST_FIXES)
    )
    rows = session.execute(query).all()
    found = usual_walk(
        [
            Seen(at_s=at_ms / 1000, lat=lat, lon=lon, accuracy_m=accuracy_m)
            for at_ms, lat, lon, accuracy_m in reversed(rows)
        ]
    )
    if found is None:
        raise NoPreset(gettext("最近 %(days)s 天的记录里还看不出常走的路，请在地图上画。", days=WALK_DAYS))
    width = f"{found.half_width_m:g}"
    return {
        "kind": "corridor",
        "line": lines_of(found.line),
        "half_width_m": width,
        "name": gettext("常走的路"),
    }


def _circle(lat: float, lon: float, radius_m: float) -> Answers:
    return {
        "kind": "circle",
        "lat": repr(round(lat, PLACES)),
        "lon": repr(round(lon, PLACES)),
        "radius_m": f"{radius_m:g}",
    }
