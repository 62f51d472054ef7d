"""`shouwang sos resolve`: what whoever closes an incident at the box can say of its alarm."""

from __future__ import annotations

import pytest

from gateway.desk import incidents
from shouwang import main


@pytest.fixture
def closing(small_config, monkeypatch):
    """Runs a command and gives what the gateway would have been asked."""
    asked = []

    def close(_, **fields) -> str:
        asked.append(fields)
        return ""

    monkeypatch.setattr(incidents, "close", close)

    def run(*words: str) -> dict:
        config = ["--config", str(small_config())]

        assert main(["sos", *words, "--by", "周敏", *config]) == 0
        return asked[-1]

    return run


@pytest.mark.parametrize("verdict", ["true", "false", "test"])
def test_the_verdict_is_told_with_the_end(closing, verdict) -> None:
    asked = closing("resolve", "A7K2", "--verdict", verdict, "--note", "在楼下")
    assert (asked["what"], asked["verdict"], asked["note"]) == ("resolve", verdict, "在楼下")


def test_no_verdict_is_needed(closing) -> None:
    assert closing("resolve", "A7K2")["verdict"] is None
    assert closing("acknowledge", "A7K2")["verdict"] is None


@pytest.mark.parametrize(
    "words", [["resolve", "A7K2", "--verdict", "perhaps"], ["acknowledge", "A7K2", "--verdict", "true"]]
)
def test_another_verdict_or_one_of_an_incident_that_goes_on_is_refused(closing, words, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        closing(*words)
    assert "--verdict" in capsys.readouterr().err
