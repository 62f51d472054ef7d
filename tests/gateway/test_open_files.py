"""As many open files as the machine allows, and a word when that is too few for the connections promised."""

from __future__ import annotations

import logging
import resource

import pytest

from gateway import open_files
from gateway.transports.mqtt_hello import Settings
from gateway.transports.tcp import Listener, TcpSettings


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits of a pretended process; the last one holds."""
    said = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: said[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: said.append(pair))
    return said


def test_every_listener_counts() -> None:
    tcp = TcpSettings(listeners=(Listener(port=1, max_connections=10), Listener(port=2, max_connections=20)))
    mqtt = Settings(max_connections=300)
    assert open_files.wanted([tcp, mqtt, object()]) == open_files.BESIDES + 330


def test_the_soft_limit_is_raised_to_the_hard_one(limits, caplog: pytest.LogCaptureFixture) -> None:
    assert open_files.allow(4096) == 4096
    assert limits[1:] == [(4096, 4096)]
    assert caplog.records == []


def test_too_few_are_said_aloud(limits, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert open_files.allow(5000) == 4096
    assert "LimitNOFILE" in caplog.text


def test_a_machine_without_a_limit_is_not_asked_for_the_impossible(limits) -> None:
    limits[:] = [(256, resource.RLIM_INFINITY)]
    assert open_files.allow(100) == open_files.MOST
    assert limits[1:] == [(open_files.MOST, resource.RLIM_INFINITY)]
