"""What is wrong or worth knowing about a file of fences: codes with words; pure, standard library only.

An `error` keeps the fence out until somebody has acted, a `warning` lets it in but wants to be looked at,
a `note` only tells what was done.
The words are English; a screen in another language translates the code and puts in `value`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Weight = Literal["note", "warning", "error"]

ADVICE = MappingProxyType(
    {
        "encoding_guessed": "look at the names; a .cpg file beside the .shp settles it",
        "encoding_wrong": "look at the names; correct the .cpg file",
        "encoding_unknown": "export it again with UTF-8 names",
        "gdal_says": "look at the result on a map",
        "crs_missing": "if that is wrong, set the layer's coordinate system and export it again",
        "crs_unusable": "export it again in EPSG:4326",
        "crs_inexact": "convert it with the survey's own parameters and export it again in EPSG:4490",
        "columns_ignored": "nothing, unless one of them was meant for us",
        "no_site": "put the boundary of the site into [site] map_dir, so that places can be compared",
        "no_fences": "draw at least one",
        "too_many_features": "export the fences of one wearer only",
        "bad_property": "correct the value in the file",
        "no_geometry": "draw it, or delete the row",
        "unsupported_geometry": "draw a polygon, a point with radius_m or a line with half_width_m",
        "radius_missing": "give the point a radius_m in metres",
        "width_missing": "give the line a half_width_m in metres, or draw it as a polygon",
        "not_degrees": "set the layer's coordinate system and export it again in EPSG:4326",
        "self_crossing": "correct it in the map program, or import with --repair and look at the result",
        "holes_crossing": "correct it in the map program, or import with --repair and look at the result",
        "repaired": "look at the result on a map",
        "too_many_corners": "simplify it in the map program, or import with --repair (at most 0.5 m change)",
        "simplified": "look at the result on a map",
        "zero_area": "draw it again, or delete the row",
        "refused": "correct it in the map program",
        "axes_swapped": "swap X and Y (QGIS: Swap X and Y coordinates) and export it again",
        "gcj02_suspected": "import with --datum gcj02; if the file is WGS-84 after all, with --datum wgs84",
        "bd09_suspected": "import with --datum bd09; if the file is WGS-84 after all, with --datum wgs84",
        "datum_doubtful": "it fits the site without the conversion: leave out --datum or name another",
        "too_far": "make sure it belongs to this site",
        "duplicate_id": "give each fence an id of its own",
        "duplicate_name": "give each fence a name of its own, so that an alarm says which",
        "duplicate_shape": "delete one of them",
    }
)
"""Every code there is, and what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found; `number` counts the features of a file from 1, 0 is the file as a whole.

    `value` is the amount the words speak of, in the unit they name; None when there is none.
    """

    code: str
    weight: Weight
    words: str
    number: int = 0
    name: str = ""
    value: float | None = None

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.code]

    def __str__(self) -> str:
        what = "file" if not self.number else f"feature {self.number}" + f" {self.name!r}" * bool(self.name)
        return f"{what}: {self.weight} {self.code}: {self.words} -> {self.advice}"


def exit_status(findings: Iterable[Finding]) -> int:
    """Give 0 when there is nothing but notes, 1 with a warning, 2 with an error."""
    rank = {"note": 0, "warning": 1, "error": 2}
    return max((rank[finding.weight] for finding in findings), default=0)
