"""The gateway is killed at random moments while bands press, and nobody is forgotten or rung twice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

KILLS = int(os.environ.get("KILLS", "200"))
SECONDS_A_KILL = 2
SECONDS_TO_SETTLE = 180


@pytest.mark.slow
@pytest.mark.timeout(KILLS * SECONDS_A_KILL + SECONDS_TO_SETTLE)
def test_no_press_is_lost_and_nobody_is_rung_twice_in_a_round(root, tmp_path):
    """`KILLS=2000` runs the long form; `python -m bench.kills` runs it without pytest."""
    command = [sys.executable, "-m", "bench.kills", "--kills", str(KILLS), "--folder", str(tmp_path)]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-8000:]
    assert f"{KILLS} kills" in run.stdout
    assert "lost 0, doubled 0" in run.stdout
