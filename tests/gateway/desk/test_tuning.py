"""`shouwang journal tuning`: how alarms fared, and what other settings would have done."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from gateway import plugins
from gateway.desk import tuning
from gateway.desk.knobs import KNOBS
from gateway.desk.tuning_command import ENOUGH
from gateway.desk.weighing import same_crises
from gateway.model import Battery, BloodPressure, Envelope, Fix, HeartRate, Uplink
from gateway.rules.vitals_settings import VitalsSettings
from shouwang import main

A_DEGREE_M = 110_860
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=6, hours=12)


def outing(day: int, *north_m: float, pause_s: float = 30) -> list[Envelope]:
    """A morning at home, a way out, and back; metres north of the middle of a fence of 100 m."""
    began = BEGAN + timedelta(days=day)
    found = []
    for number, north in enumerate((0.0, *north_m, 0.0, 0.0)):
        at = began + timedelta(seconds=number * pause_s)
        fix = Fix(lat=31.155 + north / A_DEGREE_M, lon=121.105, valid=True, accuracy_m=3, at=at)
        uplink = Uplink(device="b", readings=(fix,), raw=b"")
        found.append(Envelope(uplink=uplink, wire="tcp", device="4700186508", wearer="wang", received_at=at))
    return found


WEEK = [
    *outing(0, 127, 128, 127),
    *outing(1, 128, 129, 128),
    *outing(2, 126, 127, 128),
    *outing(3, 300, 320, 340, 360, 380, 400, 400, 400, 400, 400, 400, 400),
    *outing(4, 127, 128, 127),
]
"""Four times a little past the margin of 20 m, once far and for six minutes."""


@pytest.fixture
def tuned(small_config, remember, capsys):
    """Gives the report of a week with these verdicts, as JSON or as lines."""
    path = small_config()

    def run(*words: str, walk=WEEK, verdicts=()) -> object:
        remember(path, walk, verdicts=verdicts)
        assert main(["journal", "tuning", "--weeks", "1", *words, "--config", str(path)]) == 0
        printed = capsys.readouterr().out
        return json.loads(printed) if "--json" in words else printed.splitlines()

    return run


def test_alarms_are_counted_by_wearer_and_rule_with_what_they_turned_out_to_be(tuned) -> None:
    found = tuned("--json", verdicts=("false", "false", None, "true", "test"))
    (line,) = found["alarms"]
    assert (line["wearer"], line["code"], line["alarms"]) == ("wang", "fence_exit", 5)
    assert (line["true"], line["false"], line["test"], line["not_said"]) == (1, 2, 1, 1)
    assert line["false_share"] == pytest.approx(2 / 3)


def test_a_wider_margin_is_suggested_with_what_it_would_have_avoided(tuned) -> None:
    found = tuned("--json", verdicts=("false", "false", "false", "true", "false"))
    wider = next(one for one in found["suggestions"] if one["key"] == "exit_margin_m")
    assert (wider["today"], wider["tried"]) == (20, 30)
    assert (wider["alarms_today"], wider["alarms_tried"], wider["judged"]) == (5, 1, 5)


def test_nothing_is_suggested_that_would_have_silenced_a_true_alarm(tuned) -> None:
    found = tuned("--json", verdicts=("true", "false", "false", "true", "false"))
    assert found["suggestions"] == []


def test_few_alarms_are_left_alone(tuned) -> None:
    found = tuned("--json", walk=WEEK[: len(outing(0, 1, 2, 3)) * 2])
    assert found["alarms"][0]["alarms"] == 2
    assert found["suggestions"] == []


def test_the_lines_say_it_in_both_languages(tuned) -> None:
    lines = tuned("--lang", "en", verdicts=("false", "false", "false", "true", "false"))
    assert lines[0] == "王德顺  fence_exit  5.0 a week (5)  80% false: 1 true, 4 false, 0 test, 0 not said"
    assert (
        "-> 王德顺: exit_margin_m = 30 m instead of 20 would have avoided 4 of 4 false alarms;"
        " all 1 true ones would still come" in lines
    )


def test_what_nobody_has_judged_is_left_alone(tuned) -> None:
    lines = tuned()
    assert (
        lines[0]
        == "王德顺  fence_exit  每周 5.0 次（共 5 次）  还没有人判断：属实 0，误报 0，测试 0，未说明 5"
    )
    assert lines[1:] == ["   还不够：5 次里只有 0 次有人说明是否属实"]


def test_a_quiet_time_is_said_to_be_one(small_config, remember, capsys) -> None:
    path = small_config()
    assert remember(path, outing(0, 10, 20)) == 0
    assert main(["journal", "tuning", "--config", str(path), "--lang", "en"]) == 0
    assert capsys.readouterr().out == "no alarms in this time\n"


def test_no_journal_is_said_in_words(small_config, capsys) -> None:
    assert main(["journal", "tuning", "--config", str(small_config()), "--file", "nowhere.db"]) == 2
    assert "no journal at" in capsys.readouterr().err


# --------------------------------------------------------------------------- vital signs and the other rules


def beats(hour: float, *rates: float) -> list[Envelope]:
    """Heart rates every minute, with calm ones behind them."""
    found = []
    for number, rate in enumerate((*rates, 80.0, 79.0)):
        at = BEGAN + timedelta(hours=hour, minutes=number)
        uplink = Uplink(device="b", readings=(HeartRate(heart_rate_bpm=rate, at=at),), raw=b"")
        found.append(Envelope(uplink=uplink, wire="tcp", device="4700186508", wearer="wang", received_at=at))
    return found


def racing(*peaks: float) -> list[Envelope]:
    """A racing heart every three hours; each raises in its third minute."""
    return [one for number, peak in enumerate(peaks) for one in beats(3 * number, peak, peak, peak, peak)]


def frames(*rows) -> list[Envelope]:
    """Frames of (hour, reading)."""
    found = []
    for hour, reading in rows:
        at = BEGAN + timedelta(hours=hour)
        uplink = Uplink(device="b", readings=(reading,), raw=b"")
        found.append(Envelope(uplink=uplink, wire="tcp", device="4700186508", wearer="wang", received_at=at))
    return found


@pytest.fixture
def outcome(small_config, remember, capsys):
    """Gives the report of a week of one rule: {code: outcome}, and its suggestions."""

    def run(walk, *verdicts, rule="vitals", more="", forget=False) -> tuple[dict, list]:
        path = small_config(more=more)
        remember(path, walk, verdicts=verdicts, rule=rule)
        if forget:
            with sqlite3.connect(path.parent / "var/gw-test.journal.db") as journal:
                journal.execute("delete from events")
        assert main(["journal", "tuning", "--weeks", "1", "--json", "--config", str(path)]) == 0
        found = json.loads(capsys.readouterr().out)
        return {one["code"]: one["outcome"] for one in found["alarms"]}, found["suggestions"]

    return run


FIVE_FALSE = ("false",) * 5


def test_the_lowest_limit_that_spares_the_false_ones_and_keeps_the_true_one_is_suggested(outcome) -> None:
    said, found = outcome(racing(127, 128, 129, 128, 127, 150), *FIVE_FALSE, "true")
    assert said == {"heart_rate_high": "suggested"}
    (one,) = found
    assert (one["rule"], one["key"], one["today"], one["tried"]) == (
        "vitals",
        "heart_rate_high_bpm",
        125,
        130,
    )
    assert (one["alarms_today"], one["alarms_tried"]) == (6, 1)
    assert (one["false_seen"], one["false_avoided"], one["true_kept"]) == (5, 5, 1)
    assert (one["unjudged_avoided"], one["later_s"]) == (0, 0)


def test_a_true_alarm_among_the_false_ones_keeps_the_limit_where_it_is(outcome) -> None:
    said, found = outcome(racing(127, 128, 129, 128, 127, 128), *FIVE_FALSE, "true")
    assert (said, found) == ({"heart_rate_high": "true_lost"}, [])


def test_a_true_alarm_that_would_come_too_late_is_as_good_as_lost(outcome) -> None:
    """It climbs over 130 only a quarter of an hour after it was raised."""
    slow = beats(15, *([127.0] * 18), *([140.0] * 4))
    said, found = outcome([*racing(127, 128, 129, 128, 127), *slow], *FIVE_FALSE, "true")
    assert (said, found) == ({"heart_rate_high": "true_lost"}, [])


def test_a_few_minutes_later_are_told(outcome, small_config, capsys) -> None:
    soon = beats(15, *([127.0] * 5), *([140.0] * 4))
    walk = [*racing(127, 128, 129, 128, 127), *soon]
    _, (one,) = outcome(walk, *FIVE_FALSE, "true")
    assert (one["tried"], one["true_kept"]) == (130, 1)
    assert 0 < one["later_s"] <= 600
    main(["journal", "tuning", "--weeks", "1", "--lang", "en", "--config", str(small_config())])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("->")]
    assert "heart_rate_high_bpm = 130 bpm instead of 125 would have avoided 5 of 5 false alarms" in line
    assert re.search(r"all 1 true ones would still come, at most \d min later; ask the doctor$", line)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (("false",) * 4, "unjudged"),
        (("false",) * 3 + ("true",) * 3, "mostly_true"),
        (("test",) * 6, "unjudged"),
    ],
)
def test_without_evidence_nothing_is_suggested(outcome, verdicts, said) -> None:
    assert outcome(racing(127, 128, 129, 128, 127, 128), *verdicts) == ({"heart_rate_high": said}, [])


def test_alarms_nobody_judged_are_not_silenced_with_the_few_that_were(outcome) -> None:
    said, found = outcome(racing(*([128.0] * 12)), *FIVE_FALSE)
    assert (said, found) == ({"heart_rate_high": "unjudged"}, [])


def test_how_many_nobody_judged_would_be_silenced_too_is_told(outcome) -> None:
    said, (one,) = outcome(racing(*([128.0] * 8)), *FIVE_FALSE)
    assert said == {"heart_rate_high": "suggested"}
    assert one["unjudged_avoided"] == 3


def test_the_least_number_that_is_told_is_the_one_that_counts() -> None:
    assert ENOUGH == tuning.ENOUGH_JUDGED


def test_few_alarms_say_nothing_however_false(outcome) -> None:
    assert outcome(racing(127, 128, 129), *FIVE_FALSE) == ({"heart_rate_high": "few"}, [])


def test_hearts_that_race_far_beyond_are_not_tuned_away(outcome) -> None:
    said, found = outcome(racing(170, 171, 172, 170, 171), *FIVE_FALSE)
    assert (said, found) == ({"heart_rate_high": "no_use"}, [])


def test_a_crisis_value_is_never_suggested_however_often_it_was_false(outcome) -> None:
    walk = [
        one
        for number in range(6)
        for one in frames(
            (3 * number, BloodPressure(systolic_mmhg=186, diastolic_mmhg=90)),
            (3 * number + 0.02, BloodPressure(systolic_mmhg=187, diastolic_mmhg=91)),
            (3 * number + 0.1, BloodPressure(systolic_mmhg=120, diastolic_mmhg=80)),
        )
    ]
    said, found = outcome(walk, *FIVE_FALSE, "false")
    assert (said, found) == ({"systolic_crisis_high": "never"}, [])


def test_a_plain_limit_never_goes_past_its_crisis_limit() -> None:
    today = VitalsSettings(heart_rate_low_bpm=42)
    assert same_crises(today, VitalsSettings(heart_rate_low_bpm=41))
    assert not same_crises(today, VitalsSettings(heart_rate_low_bpm=40))
    assert not same_crises(today, VitalsSettings(heart_rate_low_bpm=39))
    assert not same_crises(today, VitalsSettings(heart_rate_low_bpm=42, systolic_high_mmhg=180))
    assert same_crises(object(), object())


def test_what_the_journal_no_longer_holds_is_not_guessed_at(outcome) -> None:
    said, found = outcome(racing(127, 128, 129, 128, 127), *FIVE_FALSE, forget=True)
    assert (said, found) == ({"heart_rate_high": "not_reproduced"}, [])


def test_silence_and_charge_are_tuned_the_same_way(outcome) -> None:
    """Every third hour the band is silent for 45 minutes, then for four hours; it ends silent too."""
    rows = [(hour + minute / 60, Battery(battery_pct=60)) for hour in range(18) for minute in range(0, 60, 5)]
    gaps = [row for row in rows if not (row[0] % 3 < 2 / 3 and row[0] > 1)]
    said, (one,) = outcome(frames(*gaps, (22, Battery(battery_pct=60))), *FIVE_FALSE, "true", rule="silence")
    assert said == {"silent": "suggested"}
    assert (one["key"], one["today"], one["true_kept"]) == ("silent_after_s", 1800, 1)
    assert (one["tried"], one["alarms_today"], one["alarms_tried"]) == (3600, 7, 2)
    assert one["later_s"] == 1980


def test_a_low_battery_is_tuned_where_people_judged_it(outcome) -> None:
    rows = [
        (3 * number + 0.1 * step, Battery(battery_pct=charge))
        for number in range(6)
        for step, charge in enumerate((30, 14, 30))
    ]
    said, (one,) = outcome(frames(*rows), *FIVE_FALSE, "false", rule="battery")
    assert said == {"battery_low": "suggested"}
    assert (one["key"], one["tried"], one["false_avoided"]) == ("low_pct", 12, 6)


def test_a_notice_that_only_stood_beside_an_incident_is_judged_by_nobody(outcome) -> None:
    calm = [(minute / 60, HeartRate(heart_rate_bpm=70)) for minute in range(0, 60, 2)]
    walk = [
        row
        for number in range(6)
        for row in [
            *((2 * number + at, reading) for at, reading in calm),
            (2 * number + 1.02, HeartRate(heart_rate_bpm=115)),
            (2 * number + 1.04, HeartRate(heart_rate_bpm=116)),
            (2 * number + 1.06, HeartRate(heart_rate_bpm=70)),
        ]
    ]
    said, found = outcome(frames(*walk), *FIVE_FALSE, "false", rule="trend")
    assert said["heart_rate_rise"] == "unjudged"
    assert found == []


def test_an_hour_of_the_morning_moves_by_half_hours() -> None:
    (knob,) = KNOBS["not_up"]
    assert list(knob.values("09:30")) == ["10:00", "10:30", "11:00", "11:30"]
    assert list(knob.values("23:15")) == ["23:45"]
    assert list(knob.values("")) == []


def test_every_knob_is_a_key_of_its_rule_and_no_crisis_or_cry_for_help_has_one() -> None:
    for code, knobs in KNOBS.items():
        for knob in knobs:
            assert knob.key in plugins.settings_of("rule", knob.rule).__struct_fields__, code
            assert "crisis" not in knob.key
    assert not {code for code in KNOBS if "crisis" in code or code.startswith(("sos", "fall_", "band_"))}


def test_a_week_of_two_rules_is_told_line_by_line(small_config, remember, capsys) -> None:
    path = small_config()
    remember(path, racing(127, 128, 129, 128, 127), verdicts=FIVE_FALSE, rule="vitals")
    main(["journal", "tuning", "--weeks", "1", "--config", str(path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "王德顺  heart_rate_high  每周 5.0 次（共 5 次）  误报 100%：属实 0，误报 5，测试 0，未说明 0"
    )
    assert lines[1] == (
        "→ 王德顺：heart_rate_high_bpm 从 125 改为 130 次/分，5 次误报会少 5 次，没有属实的报警；请先问医生"
    )
