"""What somebody wants to try: made into fences and settings, or everything that is wrong with it at once."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.backtest import fences_of_tables, settings_in_force, settings_with
from gateway.rules.fence import FenceSettings
from gateway.rules.vitals import VitalsSettings

HOME = {"id": "home", "name": "花园", "centre": [31.155, 121.105], "radius_m": 100}


def wrong(tables, **settings) -> dict[str, str]:
    views, problems = fences_of_tables(tables, FenceSettings(**settings))
    assert views == ()
    return {one.path: one.expected for one in problems}


def test_tables_as_in_the_configuration_become_fences_in_wgs84() -> None:
    views, problems = fences_of_tables(
        [HOME, HOME | {"id": "b", "datum": "gcj02", "schedule": ["daily 22:00-06:00"]}], FenceSettings()
    )
    assert problems == ()
    assert [view.fence for view in views] == ["home", "b"]
    assert views[0].centre == (31.155, 121.105)
    assert views[1].centre != views[0].centre


def test_every_wrong_key_is_listed_with_its_path_and_what_was_expected() -> None:
    found = wrong(
        [
            HOME | {"radius_m": "wide", "colour": "red"},
            {"id": "b", "name": "园"},
            HOME | {"id": "c", "escalate_m": [300, 100], "exit_margin_m": -1, "schedule": ["sometimes"]},
            3,
        ]
    )
    assert set(found) == {
        "fences[0].radius_m",
        "fences[0].colour",
        "fences[1]",
        "fences[2].escalate_m",
        "fences[2].exit_margin_m",
        "fences[2].schedule",
        "fences[3]",
    }
    assert "a fence needs a polygon" in found["fences[1]"]
    assert found["fences[3]"] == "a table"


@pytest.mark.parametrize(
    ("tables", "path"),
    [
        (None, "fences"),
        ([], "fences"),
        ({"id": "a"}, "fences"),
        ([HOME] * 51, "fences"),
        ([HOME, HOME], "fences"),
        ([HOME | {"radius_m": 1e308}], "fences[0]"),
        ([HOME | {"centre": [91, 121]}], "fences[0]"),
        ([HOME | {"exit_margin_m": 1e9}], "fences[0].exit_margin_m"),
    ],
)
def test_what_is_no_list_of_fences_or_too_much_is_said(tables, path) -> None:
    assert list(wrong(tables)) == [path]


def test_too_many_corners_of_all_together_are_refused() -> None:
    ring = [[31.15 + number / 1e5, 121.1 + (number % 2) / 1e3] for number in range(400)]
    line = {"name": "路", "line": ring, "half_width_m": 5}
    found = wrong([line | {"id": str(number)} for number in range(13)])
    assert found == {"fences": "at most 5000 corners of all fences together"}


def test_holidays_need_a_list_of_them() -> None:
    table = HOME | {"schedule": ["holidays"]}
    assert wrong([table]) == {"fences[0].schedule": "no holidays: none are known here"}
    views, problems = fences_of_tables([table], FenceSettings(holidays=(date(2026, 10, 1),)))
    assert (len(views), problems) == (1, ())


def test_settings_change_key_by_key() -> None:
    today = VitalsSettings(heart_rate_high_bpm=110)
    tried, problems = settings_with("vitals", today, {"heart_rate_low_bpm": 50})
    assert (tried.heart_rate_high_bpm, tried.heart_rate_low_bpm, problems) == (110, 50, ())


@pytest.mark.parametrize(
    ("table", "paths"),
    [
        ({"heart_rate_high_bpm": "x", "unknown": 1}, {"vitals.heart_rate_high_bpm", "vitals.unknown"}),
        ({"heart_rate_high_bpm": 40}, {"vitals"}),
        ([1], {"vitals"}),
        (None, {"vitals"}),
    ],
)
def test_settings_that_are_wrong_are_none(table, paths) -> None:
    tried, problems = settings_with("vitals", VitalsSettings(), table)
    assert tried is None
    assert {one.path for one in problems} == paths


def test_what_is_in_force_is_the_later_table_over_the_ones_before() -> None:
    found = settings_in_force(
        "vitals", {"heart_rate_high_bpm": 110.0}, {"heart_rate_high_bpm": 120, "gone_since": 3}
    )
    assert found == VitalsSettings(heart_rate_high_bpm=120)
    assert settings_in_force("fence") == FenceSettings()
