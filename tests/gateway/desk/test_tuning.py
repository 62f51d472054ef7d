"""`shouwang journal tuning`: how alarms fared, and what other settings would have done."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.model import Envelope, Fix, Uplink
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
        "-> 王德顺: exit_margin_m = 30 m instead of 20 would have avoided 4 of 5 exits,"
        " none of them closed as true" in lines
    )


def test_a_suggestion_nobody_has_judged_says_so(tuned) -> None:
    lines = tuned()
    assert (
        lines[0]
        == "王德顺  fence_exit  每周 5.0 次（共 5 次）  还没有人判断：属实 0，误报 0，测试 0，未说明 5"
    )
    assert any("但还没有人说明过是否属实，请先核实" in line for line in lines)


def test_a_quiet_time_is_said_to_be_one(small_config, remember, capsys) -> None:
    path = small_config()
    assert remember(path, outing(0, 10, 20)) == 0
    assert main(["journal", "tuning", "--config", str(path), "--lang", "en"]) == 0
    assert capsys.readouterr().out == "no alarms in this time\n"


def test_no_journal_is_said_in_words(small_config, capsys) -> None:
    assert main(["journal", "tuning", "--config", str(small_config()), "--file", "nowhere.db"]) == 2
    assert "no journal at" in capsys.readouterr().err
