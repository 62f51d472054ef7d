"""Real receivers at the border of a fence: how often ours alarms, how often a point-in-polygon does."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module", name="drift")
def _drift():
    return runpy.run_path(str(DOCS / "drift_page.py"))


@pytest.fixture(scope="module", name="rows")
def _rows(drift):
    return drift["measured"]()


def test_the_table_in_the_docs_is_what_was_measured(drift, rows):
    page = (DOCS / "drift.md").read_text(encoding="utf-8")
    assert page == drift["page"](rows), "run `make docs`"
    print(page)


def test_at_the_border_the_naive_rule_flaps_and_ours_is_silent(rows):
    border = [row for row in rows if row.line == "border"]
    assert len(border) == 4
    for row in border:
        assert max(row.naive) > 5
        assert sum(row.naive) > 50
        assert set(row.ours) == {0}


def test_where_ours_decides_it_raises_at_most_once_and_not_always(rows):
    for row in rows:
        assert max(row.ours) <= 1
        if row.line == "ours":
            assert 0 < sum(row.ours) < len(row.ours)


def test_a_receiver_that_is_surely_outside_is_always_raised(drift):
    noise = drift["noise_of"]("ublox-neo-m9n-nmea")
    for turn in drift["TURNS"]:
        assert drift["ours"](tuple(drift["played"](noise, past_m=30.0, turn=turn, walking=True))) == 1
