"""The short form of `make fuzz`, and that the fuzzer notices what it is there to notice."""

from __future__ import annotations

from typing import Any

import pytest

from bench import fuzz
from bench.subjects import Subject, subjects


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(subjects()))
def test_twenty_thousand_inputs_nobody_should_send(name: str) -> None:
    report = fuzz.run_batch(name, 1, 0, 20_000)
    assert report.findings == []
    assert report.inputs == 20_000
    assert report.frames > 0
    assert report.errors > 0


class Sound:
    """A codec that reads one byte at a time and is right about each."""

    def __init__(self) -> None:
        self.waiting: list[int] = []

    def feed(self, data: bytes) -> None:
        self.waiting += data

    def next_event(self) -> Any:
        return self.waiting.pop(0) if self.waiting else None

    def end_of_message(self) -> None:
        """Nothing is ever half."""


class Raises(Sound):
    def next_event(self) -> Any:
        event = super().next_event()
        return {}[event] if event == 0x5B else event


class Depends(Sound):
    def feed(self, data: bytes) -> None:
        self.waiting.append(len(data))


class NeverEnds(Sound):
    def next_event(self) -> Any:
        return "again"


class Hoards(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.hoard: list[bytes] = []

    def feed(self, data: bytes) -> None:
        super().feed(data)
        self.hoard.append(data * 60)


class Swells(Sound):
    def feed(self, data: bytes) -> None:
        self.waiting += bytes(10_000_000)[:0] + data


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Raises, "KeyError: 91"),
        (Depends, "reads differently"),
        (NeverEnds, "RecursionError: more than"),
        (Hoards, "keeps"),
        (Swells, "takes"),
    ],
)
def test_a_codec_that_breaks_its_word_is_found_with_the_way_to_find_it_again(
    kind: type[Sound], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "subjects", lambda: {"watch": Subject("watch", 1, lambda _: kind())})
    report = fuzz.run_batch("watch", 1, 0, 1000)
    (finding,) = report.findings
    assert words in finding
    number = finding.partition("--only ")[2].partition("\n")[0]
    assert f"python -m bench.fuzz --codec watch --seed 1 --only {number}" in finding
    if kind is not Hoards:
        assert words in fuzz.run_batch("watch", 1, int(number), 1).findings[0]


def test_a_finding_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject("watch", 1, lambda _: Raises())
    assert fuzz.shrink(subject, 0, b"a long story with one [ in it, and more behind") == b"["


def test_a_sound_codec_gives_no_finding_and_the_same_seed_the_same_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fuzz, "subjects", lambda: {"watch": Subject("watch", 1, lambda _: Sound())})
    reports = [fuzz.run_batch("watch", 7, 0, 300) for _ in range(2)]
    assert reports[0].findings == []
    assert reports[0].input_bytes == reports[1].input_bytes > 0
