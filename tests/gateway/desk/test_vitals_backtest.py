"""`shouwang vitals backtest`: other limits beside those in force, in lines, as JSON and as a picture."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from gateway.model import Battery, BloodPressure, Envelope, HeartRate, Uplink
from shouwang import main

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)


def heard(second: float, *readings) -> Envelope:
    at = BEGAN + timedelta(seconds=second)
    uplink = Uplink(device="b", readings=readings, raw=b"")
    return Envelope(uplink=uplink, wire="tcp", device="4700186508", wearer="wang", received_at=at)


def beats(begin_s: float, *rates: float) -> list[Envelope]:
    """Heart rates every 60 seconds."""
    return [heard(begin_s + 60 * number, HeartRate(heart_rate_bpm=rate)) for number, rate in enumerate(rates)]


STORY = [
    *beats(0, 70, 72, 71),
    *beats(3_600, 128, 129, 130, 90),  # in force: raised at the third, for three minutes
    *beats(14_400, 118, 119, 121, 117, 80),  # not in force; with a limit of 115 it would be
    *beats(28_800, 141, 150, 155, 150, 75),
    heard(40_000, BloodPressure(systolic_mmhg=186, diastolic_mmhg=96)),
    heard(40_060, BloodPressure(systolic_mmhg=188, diastolic_mmhg=95)),
    heard(41_000, BloodPressure(systolic_mmhg=130, diastolic_mmhg=80)),
    heard(50_000, Battery(battery_pct=14)),
]


@pytest.fixture
def config(small_config, remember):
    """A gateway whose journal remembers two days, and what its limits raised."""
    path = small_config()
    assert remember(path, STORY, rule="vitals") == 3
    return path


@pytest.fixture
def tried(config, capsys):
    """Runs a trial and gives (status, what was printed, what was complained)."""

    def run(*words: str) -> tuple[int, str, str]:
        base = ["vitals", "backtest", "--config", str(config), "--wearer", "wang", "--days", "7"]
        status = main([*base, *words])
        return (status, *capsys.readouterr())

    return run


def test_with_the_limits_in_force_it_says_what_was_really_raised(tried) -> None:
    status, printed, _ = tried("--json")
    found = json.loads(printed)
    assert status == 0
    assert [(one["code"], one["was_raised"], one["in_force"]) for one in found["alarms"]] == [
        ("heart_rate_high", True, True),
        ("heart_rate_high", True, True),
        ("systolic_crisis_high", True, True),
    ]
    assert (found["in_force"], found["really_raised"], found["not_any_more"]) == (3, 3, [])
    assert found["changed"] == {}


def test_a_higher_limit_would_not_have_raised_the_small_one_any_more(tried) -> None:
    _, printed, _ = tried("--json", "--set", "heart_rate_high_bpm=135")
    found = json.loads(printed)
    assert [(one["code"], one["value"], one["limit"]) for one in found["alarms"]] == [
        ("heart_rate_high", 155, 135),
        ("systolic_crisis_high", 188, 180),
    ]
    (gone,) = found["not_any_more"]
    assert (gone["value"], gone["limit"], gone["was_raised"], gone["in_force"]) == (130, 125, True, True)
    assert found["changed"] == {"heart_rate_high_bpm": {"in_force": 125, "tried": 135}}


def test_a_lower_limit_shows_what_is_new_with_its_readings_and_how_long_it_lasted(tried) -> None:
    _, printed, _ = tried("--json", "--set", "heart_rate_high_bpm=115")
    found = json.loads(printed)
    (new,) = [one for one in found["alarms"] if not one["in_force"]]
    assert [each["value"] for each in new["readings"]] == [118, 119, 121]
    assert (new["was_raised"], new["lasted_s"]) == (False, 240)
    assert (found["a_week"], found["a_week_in_force"]) == (4, 3)


def test_the_lines_say_it_in_both_languages(tried) -> None:
    _, printed, _ = tried("--lang", "en", "--set", "heart_rate_high_bpm=115")
    lines = printed.splitlines()
    assert lines[1] == "tried with: heart_rate_high_bpm = 115 (in force 125)"
    assert re.fullmatch(
        r"  2  \d{4}-\d\d-\d\d \d\d:\d\d  heart rate high  118 119 121 bpm  limit 115  for 4 min", lines[4]
    )
    assert lines[5].endswith("141 150 155 bpm  limit 115  for 4 min  in force too  was raised")
    assert "tried: 4, 4.0 a week; in force: 3, 3.0 a week (3 the same, 1 new, 0 fewer)" in lines
    assert "really raised: 3, 3 of them with the limits tried too" in lines
    _, printed, _ = tried("--set", "heart_rate_high_bpm=135")
    assert "试用：2 次，每周 2.0 次；现行：3 次，每周 3.0 次；2 次相同，新增 0 次，减少 1 次" in printed
    assert "心率偏高  128 129 130 bpm  限值 125  持续 3 分钟  现行也报  当时报过  不再报" in printed


def test_a_profile_is_tried_instead_of_the_wearers_own(tried, tmp_path) -> None:
    file = tmp_path / "profile.toml"
    file.write_text("[rules.vitals]\nheart_rate_high_bpm = 152\nsustained_readings = 1\n", encoding="utf-8")
    _, printed, _ = tried("--json", "--profile", str(file))
    found = json.loads(printed)
    assert [one["value"] for one in found["alarms"] if one["code"] == "heart_rate_high"] == [155]
    assert set(found["changed"]) == {"heart_rate_high_bpm", "sustained_readings"}
    _, printed, _ = tried("--json", "--profile", str(file), "--set", "heart_rate_high_bpm=160")
    assert {one["code"] for one in json.loads(printed)["alarms"]} == {"systolic_high", "systolic_crisis_high"}


def test_another_rule_is_tried_by_its_name(tried) -> None:
    _, printed, _ = tried("--json", "--rule", "battery")
    assert [(one["code"], one["value"]) for one in json.loads(printed)["alarms"]] == [("battery_low", 14)]
    _, printed, _ = tried("--json", "--rule", "battery", "--set", "low_pct=10")
    found = json.loads(printed)
    assert (found["alarms"], [one["value"] for one in found["not_any_more"]]) == ([], [14])


@pytest.mark.parametrize(("lang", "words"), [("zh", "会报警"), ("en", "would alarm")])
def test_the_picture_is_one_file_with_readings_limits_and_alarms_for_both_widths(
    tried, tmp_path, lang, words
) -> None:
    picture = tmp_path / "trial.html"
    status, _, _ = tried("--picture", str(picture), "--lang", lang, "--set", "heart_rate_high_bpm=135")
    assert status == 0
    page = picture.read_text(encoding="utf-8")
    assert words in page
    for width in ("wide", "narrow"):
        drawn = re.findall(rf"<svg class=\"chart {width}\".*?</svg>", page, re.DOTALL)
        assert len(drawn) == 3  # heart rate and both pressures
        heart = [part.get("class") for part in ET.fromstring(drawn[0]).iter()]
        assert {"reading dot", "beyond dot", "limit", "limit today", "alarm", "gone"} <= set(heart)
        pressure = [part.get("class") for part in ET.fromstring(drawn[1]).iter()]
        assert "limit crisis" in pressure
    assert not re.search(r"(src|href)=|url\(|@import", page)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--wearer", "nobody"], "there is no wearer nobody"),
        (["--rule", "fence"], "shouwang fence backtest"),
        (["--rule", "sos"], "--rule is one of"),
        (["--set", "heart_rate_high_bpm=999"], "vitals.heart_rate_high_bpm = 999: expected"),
        (["--set", "heart_rate=9", "--set", "crisis=maybe"], "vitals.heart_rate = 9: expected no such key"),
        (["--set", "heart_rate_high_bpm=40"], "heart_rate_low_bpm must be below"),
        (["--file", "nowhere.db"], "no journal at"),
        (["--profile", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_cannot_be_tried_is_said_in_words(tried, words, complaint) -> None:
    status, printed, complained = tried(*words)
    assert (status, printed) == (2, "")
    assert complaint in complained


def test_every_wrong_key_is_named_at_once(tried) -> None:
    _, _, complained = tried("--set", "heart_rate=9", "--set", "crisis=maybe", "--set", "spo2_low_pct=10")
    assert [line.split(" = ")[0] for line in complained.splitlines()] == [
        "vitals.heart_rate",
        "vitals.spo2_low_pct",
        "vitals.crisis",
    ]


@pytest.mark.parametrize("words", ["rules = 3", "[rules.fence]\ndwell_s = 3", "not toml"])
def test_a_file_that_is_no_profile_is_refused(tried, tmp_path, words) -> None:
    file = tmp_path / "p.toml"
    file.write_text(words, encoding="utf-8")
    status, _, complained = tried("--profile", str(file))
    assert status == 2
    assert "p.toml" in complained


def test_a_name_can_neither_break_the_page_nor_steer_the_terminal(tried, config, tmp_path) -> None:
    text = config.read_text(encoding="utf-8").replace('name = "王德顺"', 'name = "<b>\\u001b[2J&"')
    config.write_text(text, encoding="utf-8")
    picture = tmp_path / "trial.html"
    _, printed, _ = tried("--picture", str(picture))
    assert "\x1b" not in printed
    assert "<b>" not in picture.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["--days", "0"], ["--days", "x"], ["--set", "=3"], ["--set", "key"]])
def test_words_that_are_no_days_or_no_setting_are_refused(tried, words) -> None:
    with pytest.raises(SystemExit, match="2"):
        tried(*words)
