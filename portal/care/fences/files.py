"""Fences drawn elsewhere, out of a GeoJSON or KML file somebody sends: as answers of the fence's form.

The judging is `geofence.judging`'s, as for the installer's files; here are only the words and the bounds.
A point without a radius and a line without a width are given usual ones, and that is said.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
from flask_babel import lazy_gettext

from gateway.fences import view_for
from gateway.profile import FenceTable
from geofence.features import Feature, flat
from geofence.fields import known
from geofence.files import NoMapFile, read
from geofence.findings import Finding
from geofence.judging import judge
from geofence.shape import FenceShape, Parts
from geofence.site import Site, read_site
from portal.care.fences.presets import Answers, ground_answers
from portal.i18n import gettext

ENDS = (".geojson", ".json", ".kml")
MOST_BYTES = 1024 * 1024
MOST_CHOICES = 40
USUAL_M: Mapping[str, tuple[str, float]] = {
    "Point": ("radius_m", 100.0),
    "LineString": ("half_width_m", 30.0),
}

UNREADABLE = lazy_gettext("这个文件读不出来。请用 GeoJSON 或 KML 格式重新导出。")
WORDS: Mapping[str, object] = {
    "no_fences": lazy_gettext("文件里没有图形。"),
    "too_many_features": lazy_gettext("文件里的图形太多了，请只导出这个人的区域。"),
    "bad_property": lazy_gettext("附带的数值不对，请检查半径、宽度等数字。"),
    "no_geometry": lazy_gettext("这一项没有画出图形。"),
    "unsupported_geometry": lazy_gettext("这种图形不能当区域，请画多边形、线或点。"),
    "not_degrees": lazy_gettext("坐标不是经纬度，请按经纬度（EPSG:4326）重新导出。"),
    "axes_swapped": lazy_gettext("经度和纬度写反了，请对调后重新导出。"),
    "gcj02_suspected": lazy_gettext("看起来是高德或腾讯地图的坐标。请在“坐标取自”里选它，再传一次。"),
    "bd09_suspected": lazy_gettext("看起来是百度地图的坐标。请在“坐标取自”里选它，再传一次。"),
    "datum_doubtful": lazy_gettext("按所选的坐标换算后偏离了小区，请检查“坐标取自”。"),
    "self_crossing": lazy_gettext("边界自己交叉了，请改好后重新导出。"),
    "holes_crossing": lazy_gettext("挖去的部分碰到了边界，请改好后重新导出。"),
    "too_many_corners": lazy_gettext("点太多了，最多 1000 个。"),
    "zero_area": lazy_gettext("图形没有面积，请重新画。"),
    "refused": lazy_gettext("这个形状不成立，请检查每个点。"),
    "crs_inexact": lazy_gettext("坐标系换算不准，请按经纬度（EPSG:4326）重新导出。"),
    "crs_unusable": lazy_gettext("坐标系换算不了，请按经纬度（EPSG:4326）重新导出。"),
}
"""What is said of each finding that keeps a drawing out."""


class NoFences(ValueError):
    """A file without a fence that can be taken up: everything that is wrong with it, in words."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__("\n".join(words))
        self.words = tuple(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One drawing of a file that can be a fence: its name and its answers; `usual`: of a usual size."""

    name: str
    answers: Answers
    usual: bool

    @property
    def as_json(self) -> str:
        """The answers as the form hands them back when this one is chosen."""
        return msgspec.json.encode(self.answers).decode()


def fences_of_file(name: str, content: bytes, *, datum: str, map_dir: str) -> list[Drawn]:
    """Give the drawings of a file, every part of one with several parts for itself.

    `datum`: what the reader says its degrees are, "wgs84" for the usual.
    Raises NoFences, in words, for a file that cannot be read, or without a drawing that is right.
    """
    end = Path(name).suffix.lower()
    if end not in ENDS:
        raise NoFences([gettext("请选 GeoJSON 或 KML 文件（.geojson、.json、.kml）。")])
    if len(content) > MOST_BYTES:
        raise NoFences([gettext("文件太大了，最多 1 MB。")])
    with tempfile.TemporaryDirectory(prefix="fence-") as folder:
        path = Path(folder) / f"sent{end}"
        path.write_bytes(content)
        try:
            reading = read(path)
        except NoMapFile as error:
            raise NoFences([str(UNREADABLE)]) from error
    sized = [_sized(feature) for feature in reading.features]
    site = _site(map_dir)
    judged = judge([feature for feature, _ in sized], site=site, datum="" if datum == "wgs84" else datum)
    errors = [one for one in (*reading.findings, *judged.findings) if one.weight == "error"]
    if any(one.number == 0 for one in errors) or not judged.fences:
        raise NoFences(list(dict.fromkeys(map(_words, errors))) or [str(WORDS["no_fences"])])
    usual = any(given for _, given in sized)
    drawn = [
        Drawn(name=called, answers=_answers(called, shape), usual=usual)
        for fence in judged.fences
        for called, shape in _pieces(fence.name, fence.shape)
    ]
    return drawn[:MOST_CHOICES]


def _sized(feature: Feature) -> tuple[Feature, bool]:
    """The feature with a usual size where its drawing needs one and has none; whether it was given one."""
    if feature.geometry is None:
        return feature, False
    try:
        kinds = {part["type"] for part in flat(feature.geometry)}
    except ValueError:
        return feature, False
    have, wrong = known(feature.columns)
    if wrong:
        return feature, False
    more = dict(USUAL_M[kind] for kind in kinds & USUAL_M.keys() if USUAL_M[kind][0] not in have)
    columns = {key: value for key, value in feature.columns.items() if key.lower() not in more} | more
    return Feature(number=feature.number, columns=columns, geometry=feature.geometry), bool(more)


def _pieces(name: str, shape: FenceShape) -> list[tuple[str, FenceShape]]:
    if not isinstance(shape, Parts):
        return [(name, shape)]
    return [(f"{name} {number}".strip(), part) for number, part in enumerate(shape.parts, start=1)]


def _answers(name: str, shape: FenceShape) -> Answers:
    view = view_for(shape, fence="sent", name=name)
    ground = {
        key: getattr(view, key) for key in ("centre", "radius_m", "polygon", "holes", "line", "half_width_m")
    }
    answers = ground_answers(FenceTable(id="sent", name=name, **ground)) | {"datum": "wgs84"}
    return answers | ({"name": name} if name else {})


def _words(finding: Finding) -> str:
    said = str(WORDS.get(finding.code, WORDS["refused"]))
    if not finding.number:
        return said
    what = finding.name or gettext("第 %(number)s 个图形", number=finding.number)
    return gettext("%(what)s：%(problem)s", what=what, problem=said)


@lru_cache(maxsize=4)
def _site(map_dir: str) -> Site | None:
    try:
        return read_site(Path(map_dir))
    except (OSError, ValueError):
        return None
