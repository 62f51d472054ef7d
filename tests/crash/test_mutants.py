"""The proofs can fail: each takes notice when one promise is taken out of the code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.mutants import MUTANTS, Mutant, Stale, check


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_mutant_is_noticed(root):
    """The table says which proof noticed which mutant, and how soon."""
    command = [sys.executable, "-m", "bench.mutants"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-4000:]
    assert f"{len(MUTANTS)} mutants, 0 survived" in run.stdout


def test_every_change_of_the_list_can_still_be_made(root):
    check(root, MUTANTS)


@pytest.mark.parametrize("text", ["something else", "x = 1\nx = 1\n"], ids=["gone", "not alone"])
def test_a_change_whose_text_is_not_there_exactly_once_is_an_error(text, tmp_path):
    (tmp_path / "room.py").write_text(text, encoding="utf-8")
    with pytest.raises(Stale, match="the wall"):
        check(tmp_path, [Mutant("the wall", "room.py", "x = 1\n", "", ())])
