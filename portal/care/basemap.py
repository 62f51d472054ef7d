"""The base map: a MapLibre style over the community's own GeoJSON, quiet by day and by night.

There is no glyph server and no tile server.
A style without `glyphs` makes MapLibre draw every letter, Chinese and Latin, from the fonts of the device,
with `text-font` as the CSS family.
"""

from __future__ import annotations

from typing import Any, Literal

Theme = Literal["light", "dark"]

FONTS = ["Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"]
COLOURS: dict[str, dict[str, str]] = {
    "light": {
        "ground": "#eef2f0",
        "estate": "#f8faf8",
        "edge": "#9db4b3",
        "road": "#ffffff",
        "road_edge": "#d9e0de",
        "building": "#dfe6e4",
        "building_edge": "#b9c7c5",
        "garden": "#dbead8",
        "water": "#cfe3ee",
        "service": "#e3e0ef",
        "words": "#4a5c64",
        "halo": "#f8faf8",
    },
    "dark": {
        "ground": "#0d1619",
        "estate": "#121e22",
        "edge": "#3f565c",
        "road": "#22323a",
        "road_edge": "#2c3f47",
        "building": "#1f2e34",
        "building_edge": "#3a4d54",
        "garden": "#1a2f24",
        "water": "#14303f",
        "service": "#272941",
        "words": "#a9bbc0",
        "halo": "#0d1619",
    },
}


def style(theme: Theme, *, english: bool, sources: dict[str, str]) -> dict[str, Any]:
    """The style of one theme and language; `sources` gives the address of each layer's GeoJSON."""
    colours = COLOURS[theme]
    field = ["coalesce", ["get", "name_en"], ["get", "name"]] if english else ["get", "name"]
    return {
        "version": 8,
        "name": f"shouwang-{theme}",
        "sources": {name: {"type": "geojson", "data": address} for name, address in sources.items()},
        "layers": [
            {"id": "ground", "type": "background", "paint": {"background-color": colours["ground"]}},
            _fill("estate", "boundary", colours["estate"]),
            _fill("gardens", "places", colours["garden"], kinds=("garden", "square")),
            _fill("water", "places", colours["water"], kinds=("water",)),
            *_roads(colours),
            _fill("buildings", "buildings", colours["building"], edge=colours["building_edge"]),
            _fill(
                "services",
                "places",
                colours["service"],
                edge=colours["building_edge"],
                kinds=("clinic", "market", "committee"),
            ),
            {
                "id": "edge",
                "type": "line",
                "source": "boundary",
                "paint": {"line-color": colours["edge"], "line-width": 2, "line-dasharray": [4, 2]},
            },
            _words("building-names", "buildings", field, colours, size=13, from_zoom=15.5),
            _words("place-names", "places", field, colours, size=12, from_zoom=15.8),
            _words("gate-names", "gates", field, colours, size=12, from_zoom=15),
        ],
    }


def _fill(
    name: str, source: str, colour: str, *, edge: str | None = None, kinds: tuple[str, ...] = ()
) -> dict[str, Any]:
    layer: dict[str, Any] = {"id": name, "type": "fill", "source": source, "paint": {"fill-color": colour}}
    if edge is not None:
        layer["paint"]["fill-outline-color"] = edge
    if kinds:
        layer["filter"] = ["in", ["get", "kind"], ["literal", list(kinds)]]
    return layer


def _roads(colours: dict[str, str]) -> list[dict[str, Any]]:
    """Two lines a road, the edge under the surface, as wide as the road at every zoom."""
    layers = []
    metres = ["coalesce", ["get", "width_m"], 4]
    for name, colour, extra in (("road-edges", colours["road_edge"], 1.4), ("roads", colours["road"], 1.0)):
        width = [
            "interpolate",
            ["exponential", 2],
            ["zoom"],
            14,
            ["*", metres, 0.12 * extra],
            20,
            ["*", metres, 7.8 * extra],
        ]
        layers.append(
            {
                "id": name,
                "type": "line",
                "source": "roads",
                "layout": {"line-cap": "round", "line-join": "round"},
                "paint": {"line-color": colour, "line-width": width},
            }
        )
    return layers


def _words(
    name: str, source: str, field: list[Any], colours: dict[str, str], *, size: int, from_zoom: float
) -> dict[str, Any]:
    return {
        "id": name,
        "type": "symbol",
        "source": source,
        "minzoom": from_zoom,
        "layout": {
            "text-field": field,
            "text-font": FONTS,
            "text-size": size,
            "text-max-width": 7,
            "text-padding": 4,
        },
        "paint": {"text-color": colours["words"], "text-halo-color": colours["halo"], "text-halo-width": 1.2},
    }
