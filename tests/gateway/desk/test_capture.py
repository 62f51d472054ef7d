"""`shouwang capture` and `shouwang sim replay`: what cannot be done is said, and nothing is written over."""

from __future__ import annotations

import argparse
import asyncio
import io

import pytest

import shouwang
from gateway.capture_format import Header, Piece
from gateway.clock import ManualClock
from gateway.desk import capture, playback
from gateway.told import ControlAnswer
from gateway.transports.control import Control

WHERE = '"gateway":"g","community":"c","transport":"TRANSPORT"'
HEAD = '{"shouwang_capture":1,' + WHERE + ',"at":"2026-01-01T00:00:00Z"}\n'
UP = '{"at_s":0,"what":"up","link":1,"protocol":"watch","hex":"00"}\n'


@pytest.fixture
def config(small_config, monkeypatch):
    path = small_config()
    secrets = path.parent / "var" / "secrets"
    secrets.mkdir(parents=True)
    for name in ("twilio", "band-zhang"):
        (secrets / name).write_text("k" * 32)
    monkeypatch.chdir(path.parent)
    return path


def test_a_capture_is_never_written_over_another_file(config, tmp_path, capsys):
    out = tmp_path / "there.jsonl"
    out.write_text("precious")
    status = shouwang.main(["capture", "--config", str(config), "--transport", "tcp", "--out", str(out)])
    assert (status, out.read_text()) == (2, "precious")
    assert "exists already" in capsys.readouterr().err


def test_without_a_gateway_there_is_no_capture_and_no_empty_file(config, tmp_path, capsys):
    out = tmp_path / "new.jsonl"
    status = shouwang.main(["capture", "--config", str(config), "--transport", "tcp", "--out", str(out)])
    assert (status, out.exists()) == (1, False)
    assert "no gateway answers" in capsys.readouterr().err


@pytest.fixture
async def door(tmp_path):
    """A door whose captures have a header and then ten pieces a turn of the loop, for ever."""

    async def execute(order):
        yield ControlAnswer(done=True)
        now = ManualClock().now()
        yield Header(shouwang_capture=1, gateway="g", community="c", transport=order.transport, at=now)
        while True:
            yield Piece(at_s=0.0, what="up", hex="00" * 100)
            await asyncio.sleep(0)

    async def obey(_command):
        raise AssertionError

    control = Control(tmp_path / "gw.sock", obey=obey, execute=execute)
    serving = asyncio.create_task(control.run())
    await control.serving.wait()
    yield control.path
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize(("seconds", "max_mb"), [(None, 0.01), (0.05, 64.0)])
async def test_a_capture_ends_when_the_file_is_full_or_time_is_up(door, seconds, max_mb):
    file = io.BytesIO()
    options = argparse.Namespace(transport="tcp", seconds=seconds, max_mb=max_mb)
    found = await asyncio.wait_for(capture._record(door, options, file), 10)
    lines = file.getvalue().splitlines()
    assert found["up"] == len(lines) - 1 > 0
    assert lines[0].startswith(b'{"shouwang_capture":1,')
    if seconds is None:
        assert len(file.getvalue()) < 0.01 * capture.MEGABYTE + 400


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (HEAD, ["--port", "1"], "no band says anything"),
        (HEAD + UP, [], "say where to"),
        (HEAD + UP, ["--port", "1", "--serial", "x"], "say where to"),
        (HEAD + UP, ["--port", "1", "--speed", "-1"], "--speed"),
        (HEAD + UP, ["--port", "1", "--device", "a=bb"], "one length"),
        (HEAD.replace("TRANSPORT", "coap") + UP, ["--port", "1"], "--key-file"),
        ("no capture", ["--port", "1"], "line 1"),
    ],
)
def test_a_capture_that_cannot_be_played_is_refused_before_anything_is_said(
    tmp_path, capsys, text, arguments, words
):
    file = tmp_path / "c.jsonl"
    file.write_text(text)
    assert shouwang.main(["sim", "replay", str(file), *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_gateway_that_is_not_there_is_said(tmp_path, capsys, free_port):
    file = tmp_path / "c.jsonl"
    file.write_text(HEAD + UP)
    assert shouwang.main(["sim", "replay", str(file), "--port", str(free_port())]) == 1
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "keys"),
    [("alone\n", ("alone", "alone")), ("a one\nb  two\n", ("one", "two")), ("a one\n", ("one", ""))],
)
def test_the_key_file_has_one_key_or_a_line_a_band(tmp_path, text, keys):
    file = tmp_path / "keys"
    file.write_text(text)
    key_of = playback._keys(file)
    assert (key_of("a"), key_of("b")) == keys
