"""docs/protocols/mqtt-clauses.md has every statement of both standards once, and names tests that exist."""

from __future__ import annotations

import re
from collections import Counter

import pytest

# How many numbered statements each section of the standard has (3.1.1: appendix B; 5.0: appendix B).
V311 = """1.5.3:3 2.2.2:2 2.3.1:7 3.1.0:2 3.1.2:24 3.1.3:11 3.1.4:5 3.2.0:1 3.2.2:6 3.3.1:12 3.3.2:3 3.3.4:1
3.3.5:2 3.6.1:1 3.8.1:1 3.8.3:4 3.8.4:6 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 3.12.4:1 3.14.1:1 3.14.4:3 4.1.0:2
4.3.1:1 4.3.2:2 4.3.3:2 4.4.0:1 4.5.0:2 4.6.0:6 4.7.1:3 4.7.2:1 4.7.3:4 4.8.0:2 6.0.0:4 7.0.0:2 7.1.1:1
7.1.2:1"""
V5 = """1.5.4:3 1.5.5:1 1.5.7:1 2.1.3:1 2.2.1:6 2.2.2:1 3.1.0:2 3.1.2:30 3.1.3:12 3.1.4:6 3.2.0:2 3.2.2:22
3.3.1:13 3.3.2:20 3.3.4:10 3.4.2:3 3.5.2:3 3.6.1:1 3.6.2:3 3.7.2:3 3.8.1:1 3.8.3:5 3.8.4:8 3.9.2:2 3.9.3:2
3.10.1:1 3.10.3:2 3.10.4:6 3.11.2:2 3.11.3:2 3.12.4:1 3.14.0:1 3.14.1:1 3.14.2:4 3.14.4:3 3.15.1:1 3.15.2:3
4.1.0:2 4.2.0:1 4.3.1:1 4.3.2:5 4.3.3:13 4.4.0:2 4.5.0:2 4.6.0:6 4.7.0:1 4.7.1:2 4.7.2:1 4.7.3:4 4.8.2:6
4.9.0:3 4.12.0:7 4.12.1:2 4.13.1:1 4.13.2:1 6.0.0:4"""
NEVER_GIVEN = {"2.2.1-1"}
"""5.0 begins that section with its second statement."""


@pytest.fixture
def rows(root) -> list[list[str]]:
    lines = (root / "docs/protocols/mqtt-clauses.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0] != "3.1.1"]


def numbers(cell: str) -> list[str]:
    """The statements of a cell: in "3.1.2-4, -5" the section is said once."""
    found, section = [], ""
    for part in filter(None, cell.split(", ")):
        section = part.rpartition("-")[0] or section
        found.append(f"{section}-{part.rpartition('-')[2]}")
    return found


@pytest.mark.parametrize(("column", "standard"), [(0, V311), (1, V5)])
def test_every_statement_of_the_standard_is_in_the_table_once(rows, column, standard):
    counts = (part.split(":") for part in standard.split())
    wanted = {f"{section}-{number + 1}" for section, most in counts for number in range(int(most))}
    found = Counter(number for row in rows for number in numbers(row[column]))
    assert {number: times for number, times in found.items() if times > 1} == {}
    assert set(found) == wanted - (NEVER_GIVEN if column else set())


def test_every_statement_says_what_is_done_and_is_shown_by_tests_that_exist(rows, root):
    there = {
        name
        for path in (root / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row[4])
        assert named, row
        assert set(named) <= there, row
        assert row[3].startswith(("holds", "not offered", "the client's", "nothing to")), row
