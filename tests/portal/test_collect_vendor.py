"""What the pages carry of others: modules a strict policy can load, each with its licence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from portal.collect_vendor import ICONS, collect, module, notice

NODE_MODULES = Path(__file__).parents[2] / "node_modules"


@pytest.fixture(scope="module")
def vendor(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("vendor")
    written = collect(NODE_MODULES, folder)
    assert all(path.stat().st_size for path in written)
    return folder


def test_no_module_imports_a_bare_name_and_none_names_a_map_that_is_not_there(vendor):
    for path in vendor.rglob("*.mjs"):
        text = path.read_text("utf-8")
        for name in re.findall(r'\bfrom\s*"([^"]+)"', text):
            assert name.startswith("./"), (path.name, name)
            assert (path.parent / name).exists()
        if path.parent.name == "terra-draw":
            assert "sourceMappingURL" not in text


def test_terra_draw_has_its_licence_and_says_where_the_words_are_from(vendor):
    said = (vendor / "terra-draw" / "LICENSE.txt").read_text("utf-8")
    version = json.loads((NODE_MODULES / "terra-draw" / "package.json").read_text("utf-8"))["version"]
    assert said.startswith(f"terra-draw {version}, JamesLMilner/terra-draw\nCopyright (c) James Milner\n")
    assert "carries no licence file" in said
    assert "THE SOFTWARE IS PROVIDED “AS IS”".replace("“", '"').replace("”", '"') in said


def test_another_licence_or_another_import_stops_the_collecting(tmp_path):
    (tmp_path / "package.json").write_text('{"name": "terra-draw", "license": "GPL-3.0"}')
    with pytest.raises(ValueError, match=r"under GPL-3\.0"):
        notice(tmp_path)
    with pytest.raises(ValueError, match="not imported any more"):
        module('import "./own.js"', {'from"terra-draw"': 'from"./terra-draw.mjs"'})


def test_every_icon_is_in_the_sprite_once(vendor):
    drawn = re.findall(r'<symbol id="([^"]+)"', (vendor / "lucide" / "icons.svg").read_text("utf-8"))
    assert sorted(drawn) == sorted(set(ICONS))
