"""What every band model of data/models owes the house."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway import plugins
from gateway.bands.models import load_models
from gateway.codecs.vectors import CODECS, wire
from gateway.config_tables import Checker, SecretSource
from gateway.errors import FrameError

ROOT = Path(__file__).parents[2]
CHECKER = Checker(SecretSource(base=ROOT, demo=False))
MODELS = load_models(ROOT / "data/models", CHECKER)
every_model = pytest.mark.parametrize("name", sorted(MODELS))


def frames_of(protocol: str) -> list[bytes]:
    """The captured frames of a protocol."""
    found = []
    for path in sorted((ROOT / "tests/vectors").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            said = row.get("protocol", path.stem)
            if CODECS.get(said, said) == protocol:
                found.append(wire(row))
    return found


def test_every_file_is_right() -> None:
    assert CHECKER.problems == []
    assert set(MODELS) == {path.stem for path in (ROOT / "data/models").glob("*.toml")}


@every_model
def test_a_model_says_what_it_is_and_where_that_is_known_from(name: str) -> None:
    profile, _ = MODELS[name]
    assert profile.name
    assert profile.seen


@every_model
def test_a_captured_frame_is_read_as_the_model_says(name: str) -> None:
    profile, settings = MODELS[name]
    codec = plugins.get("codec", profile.protocol)(settings)
    read = 0
    for frame in frames_of(profile.protocol):
        codec.feed(frame)
        codec.end_of_message()
        try:
            read += codec.next_event() is not None
        except FrameError:
            continue
    assert read
