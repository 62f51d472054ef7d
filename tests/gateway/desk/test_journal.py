"""`shouwang journal` at the box."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

import shouwang
from gateway.desk import quarantine
from gateway.journal.records import EventRow, QuarantineRow, Record, Rest
from gateway.journal.writer import JournalWriter


@pytest.fixture
def journal(tmp_path):
    """A journal with three quarantined frames."""
    path = tmp_path / "gw.journal.db"

    async def fill():
        writer = JournalWriter(path)
        writer.start()
        frame = QuarantineRow(1_760_000_000_000, "tcp", "watch", "p:1", "4700186508", "x", 3, b"[3G*\xff]", 6)
        other = frame._replace(reason="y", device=None, raw=b"z" * 40, length=5000)
        await writer.commit(Record(rest=Rest(quarantine=[frame, frame, other])))
        await writer.stop()

    asyncio.run(fill())
    return path


def test_the_list_shows_where_from_why_and_the_first_bytes(journal, capsys):
    assert shouwang.main(["journal", "quarantine", "list", "--file", str(journal), "--reason", "x"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == ("1  2025-10-09 16:53:20  tcp/watch  p:1  device 4700186508  x at byte 3 (6 bytes)")
    assert lines[1] == "    5b 33 47 2a ff 5d  |[3G*·]|"
    assert lines[-1] == "2 frames fit; 0 older ones were dropped for room"


def test_what_a_stranger_calls_itself_cannot_steer_the_terminal(tmp_path, capsys):
    path = tmp_path / "gw.journal.db"
    evil = "a\x1b[2J\x9b31m\u202eb\r\nc\x07"

    async def fill():
        writer = JournalWriter(path)
        writer.start()
        frame = QuarantineRow(0, "serial", "senml_slip", evil, evil, "unknown device", 0, evil.encode(), 9)
        payload = json.dumps({"text": evil}, ensure_ascii=False).encode()
        row = EventRow(0, 0, "telemetry", "b1", "zhang", "serial", payload, None)
        await writer.commit(Record([row], rest=Rest(quarantine=[frame])))
        await writer.stop()

    asyncio.run(fill())
    assert shouwang.main(["journal", "quarantine", "list", "--file", str(path)]) == 0
    assert shouwang.main(["journal", "tail", "--file", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.isprintable()] == []
    assert json.loads(lines[-1])["payload"]["text"] == evil


def test_a_number_no_frame_can_have_is_refused_in_words(journal, capsys):
    arguments = ["journal", "quarantine", "replay", "99999999999999999999"]
    with pytest.raises(SystemExit, match="2"):
        shouwang.main(arguments)
    assert "99999999999999999999" in capsys.readouterr().err


def test_a_frame_kept_cut_short_says_so(journal, capsys):
    shouwang.main(["journal", "--file", str(journal), "quarantine", "list", "--limit", "1"])
    assert "(5000 bytes, 40 kept)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay"], "say which"),
        (["replay", "1", "--file", "x.db"], "needs the running gateway"),
        (["list", "--since", "yesterday"], "yesterday"),
    ],
)
def test_what_cannot_be_asked_is_said(small_config, capsys, monkeypatch, arguments, words):
    path = small_config()
    monkeypatch.chdir(path.parent)
    assert shouwang.main(["check", str(path)]) in (0, 2)
    where = [] if "--file" in arguments else ["--config", str(path)]
    data = path.parent / "var"
    data.mkdir(exist_ok=True)
    (data / "secrets").mkdir(exist_ok=True)
    for name in ("twilio", "band-zhang"):
        (data / "secrets" / name).write_text("k" * 32)
    sqlite3.connect(data / "gw-test.journal.db").close()
    assert shouwang.main(["journal", *where, "quarantine", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_since_is_so_long_ago_or_a_time_in_china():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert quarantine.since("2025-10-09", now).isoformat() == "2025-10-09T00:00:00+08:00"
    assert quarantine.since("90m", now) == now - timedelta(minutes=90)


def test_tail_and_verify_are_as_they_were(journal, capsys):
    assert shouwang.main(["journal", "tail", "--file", str(journal), "--lines", "5"]) == 0
    assert shouwang.main(["journal", "verify", "--file", str(journal)]) == 0
    assert capsys.readouterr().out.endswith("0 events, 0 faults\n")
