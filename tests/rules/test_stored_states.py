"""States that a release wrote when they were dataclasses are read whole by today's rules."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway import plugins

WRITTEN = [
    msgspec.json.decode(line)
    for line in (Path(__file__).parent / "states_as_dataclasses.jsonl").read_bytes().splitlines()
]
"""By the rules of commit 63fd47c, over 400 frames of 30 wearers; some walked off, some took the band off."""


def said(body):
    """What a state says beyond the defaults, which need not be written."""
    if isinstance(body, dict):
        pairs = {key: said(value) for key, value in body.items()}
        return {key: value for key, value in pairs.items() if value not in (None, False, 0, "", {}, [])}
    return [said(one) for one in body] if isinstance(body, list) else body


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written["rule"])
def test_nothing_of_a_state_is_lost_over_an_upgrade(written):
    kind = plugins.get("rule", written["rule"]).State
    state = msgspec.json.decode(msgspec.json.encode(written["state"]), type=kind)
    assert said(msgspec.json.decode(msgspec.json.encode(state))) == said(written["state"])


def test_every_rule_is_among_them():
    assert {written["rule"] for written in WRITTEN} == set(plugins.names("rule"))
