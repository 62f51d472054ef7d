"""`shouwang fence backtest`: what would have alarmed, in lines, as JSON and as a picture."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from gateway.model import Envelope, Fix, Uplink
from shouwang import main

A_DEGREE_M = 110_860
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
WALK = ((0, 0, 5), (300, 125, 5), (330, 128, 5), (360, 0, 5), (900, 0, 5), (1200, 400, 5), (1230, 420, 5))
"""Seconds, metres north of the middle of a fence of 100 m, accuracy in metres."""


def envelope(second: float, north_m: float, accuracy_m: float) -> Envelope:
    at = BEGAN + timedelta(seconds=second)
    lat = 31.155 + north_m / A_DEGREE_M
    fix = Fix(lat=lat, lon=121.105, valid=True, accuracy_m=accuracy_m, at=at)
    uplink = Uplink(device="b", readings=(fix,), raw=b"")
    return Envelope(uplink=uplink, wire="tcp", device="4700186508", wearer="wang", received_at=at)


@pytest.fixture
def config(small_config, remember):
    """A gateway whose journal remembers a walk, and the alarms it raised."""
    path = small_config()
    remember(path, [envelope(*step) for step in WALK])
    return path


@pytest.fixture
def tried(config, capsys):
    """Runs a trial and gives (status, what was printed, what was complained)."""

    def run(*words: str) -> tuple[int, str, str]:
        base = ["fence", "backtest", "--config", str(config), "--wearer", "wang", "--days", "7"]
        status = main([*base, *words])
        return (status, *capsys.readouterr())

    return run


def test_each_alarm_has_its_time_fence_distance_and_how_long_it_lasted(tried) -> None:
    status, printed, _ = tried("--lang", "en")
    assert status == 0
    lines = printed.splitlines()
    assert re.fullmatch(
        r"  1  \d{4}-\d\d-\d\d \d\d:\d\d  left 花园  2\d m past the border  out for 30 s", lines[2]
    )
    assert lines[3].endswith("not seen back")
    assert lines[-2] == "2 would-be alarms, 2.0 a week"
    assert lines[-1] == "really raised: 2; of these 2 again and 0 not; 0 new"


def test_another_margin_shows_what_would_not_alarm_any_more(tried) -> None:
    _, printed, _ = tried("--json", "--exit-margin-m", "50")
    found = json.loads(printed)
    assert [round(one["distance_m"], -1) for one in found["alarms"]] == [300]
    assert (found["really_raised"], len(found["not_again"])) == (2, 1)
    assert found["changed"] == {"exit_margin_m": 50}


def test_a_fence_file_is_tried_instead_of_the_wearers_own(tried, tmp_path) -> None:
    file = tmp_path / "wide.geojson"
    point = {"type": "Point", "coordinates": [121.105, 31.155]}
    feature = {"type": "Feature", "geometry": point, "properties": {"name": "大围栏", "radius_m": 350}}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    _, printed, _ = tried("--json", "--fence-file", str(file))
    found = json.loads(printed)
    assert [(one["fence"], one["was_raised"]) for one in found["alarms"]] == [("大围栏", True)]
    assert len(found["not_again"]) == 1


@pytest.mark.parametrize(
    ("lang", "words"), [("zh", "会报警 <strong>2</strong> 次"), ("en", "<strong>2</strong> alarms")]
)
def test_the_picture_is_one_file_with_the_fence_its_margin_the_track_and_the_alarms(
    tried, tmp_path, lang, words
) -> None:
    picture = tmp_path / "trial.html"
    status, _, _ = tried("--picture", str(picture), "--lang", lang)
    assert status == 0
    page = picture.read_text(encoding="utf-8")
    assert words in page
    for width in ("wide", "narrow"):
        drawn = ET.fromstring(re.search(rf"<svg class=\"map {width}\".*?</svg>", page, re.DOTALL)[0])
        kinds = [part.get("class") for part in drawn.iter()]
        assert {"fence", "margin", "way outside", "dot inside", "dot outside", "bar"} <= set(kinds)
        assert kinds.count("alarm") == 2
    assert not re.search(r"(src|href)=|url\(|@import", page)


def test_a_name_can_neither_break_the_page_nor_steer_the_terminal(tried, config, tmp_path) -> None:
    text = config.read_text(encoding="utf-8").replace('name = "花园"', 'name = "<b>\\u001b[2J&"')
    config.write_text(text, encoding="utf-8")
    picture = tmp_path / "trial.html"
    _, printed, _ = tried("--picture", str(picture))
    assert "\x1b" not in printed
    assert "<b>" not in picture.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--wearer", "nobody"], "there is no wearer nobody"),
        (["--exit-margin-m", "-1"], "exit_margin_m"),
        (["--file", "nowhere.db"], "no journal at"),
        (["--fence-file", "nowhere.geojson"], "nowhere.geojson"),
    ],
)
def test_what_cannot_be_tried_is_said_in_words(tried, words, complaint) -> None:
    status, printed, complained = tried(*words)
    assert status == 2
    assert printed == ""
    assert complaint in complained


def test_days_that_are_none_are_refused(tried, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        tried("--days", "0")
    assert "--days" in capsys.readouterr().err
