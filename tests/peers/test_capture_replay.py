"""A session of bands recorded at one gateway and played back to another: the same events in both journals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from firmware_sim.watch_frames import frame
from gateway.codecs.senml_pack import cbor_pack
from gateway.codecs.senml_slip import acknowledgement
from gateway.codecs.slip import unwrap, wrap

WATCH = "4700186508"
STRANGER = "4700186599"


def shouwang(*arguments, cwd, status=0):
    """Run a sub-command to its end; gives what it printed."""
    run = subprocess.run(
        [sys.executable, "-m", "shouwang", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert run.returncode == status, run.stdout + run.stderr
    return run.stdout


def shouwang_fails(*arguments, cwd):
    """Run a sub-command that cannot begin; gives what it said."""
    run = subprocess.run(
        [sys.executable, "-m", "shouwang", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    return run.stderr


class Recording:
    """`shouwang capture` while it runs."""

    def __init__(self, there, transport, out, cwd):
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "shouwang", "capture", "--config", there.config),
                *("--transport", transport, "--out", out),
            ],
            cwd=cwd,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == f"recording {transport}\n"

    def stop(self):
        """Ctrl-C; gives its last line."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        return said


def position(device, at, *, command="UD", lat=31.1553, status="00000000"):
    """A position frame; the layout of the captured ones."""
    content = (
        f"{command},{at:%d%m%y},{at:%H%M%S},A,{lat:.6f},N,121.105000,E,0.50,90.0,7.0,12,100,76,10,0,{status},"
        "0,0,0,[LG_Wall-Mount A/C],66:a1,-82,15.0"
    )
    return frame(device, content)


def session(port):
    """Two watches, one of them a stranger's: a login, positions in pieces, an SOS; each reply is read."""
    at = datetime.now(UTC) - timedelta(seconds=20)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(frame(WATCH, "LK,0,10,100"))
        line.recv(4096)
        data = position(WATCH, at) + position(WATCH, at + timedelta(seconds=10), lat=31.1554)
        for piece in (data[:50], data[50:]):
            line.sendall(piece)
            time.sleep(0.05)
        line.sendall(position(WATCH, at, command="AL", status="00010000"))
        line.recv(4096)
        line.sendall(b"[3G*half")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(position(STRANGER, at))
        time.sleep(0.2)


def without_times(value):
    """A payload as it is, its moments aside."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in ("at", "received_at")}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def history(there):
    """What the journal has of bands: events without their times, and what is in quarantine."""
    events = there.query(
        "select kind, device, wearer, wire, payload, raw from events where kind = 'telemetry' order by seq"
    )
    alarms = there.query("select wearer, kind, severity from alarms order by seq")
    frames = there.query("select reason, device, raw from quarantine order by raw")  # of several connections
    return [(*row[:4], without_times(json.loads(row[4])), row[5]) for row in events], alarms, frames


def until(condition):
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.1)


def start_afresh(there):
    """Stop the gateway, put its journal away, start another on an empty one."""
    there.programs[-1].stop()
    shutil.move(there.folder / "var", there.folder / "var-first")
    return there.start("gateway")


@pytest.mark.slow
def test_a_recorded_session_gives_another_gateway_the_same_events(house, root, tmp_path, capsys):
    there = house()
    gateway = there.start("gateway")
    out = tmp_path / "session.jsonl"
    recording = Recording(there, "tcp", out, root)
    session(int(there.ports["15093"]))
    until(lambda: len(history(there)[2]) == 2)
    said = recording.stop()
    first = history(there)
    assert [len(rows) for rows in first] == [4, 1, 2]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "5 up, 2 reply" in said or "6 up, 2 reply" in said or "7 up, 2 reply" in said, said
    assert there.query("select count(*) from quarantine") == [(2,)]
    start_afresh(there)
    played = shouwang("sim", "replay", out, "--port", there.ports["15093"], "--speed", "0", cwd=root)
    until(lambda: len(history(there)[2]) == 2)
    assert history(there) == first
    with capsys.disabled():
        print(
            f"\n{said.strip()}\n{played.strip()}; {len(first[0])} events, {len(first[2])} quarantined: same"
        )
    assert "2 of 2 replies came" in played
    assert gateway.process.returncode == 0


@pytest.mark.slow
def test_the_frames_of_a_band_that_is_known_now_are_taken_out_of_the_quarantine_once(house, root, capsys):
    there = house()
    there.start("gateway")
    at = datetime.now(UTC) - timedelta(seconds=20)
    with socket.create_connection(("127.0.0.1", int(there.ports["15093"])), timeout=10) as line:
        line.sendall(
            position(STRANGER, at) + position(STRANGER, at, command="AL", status="00010000") + b"[x]"
        )
        until(lambda: len(history(there)[2]) == 3)
    where = ("--config", there.config)
    listed = shouwang("journal", *where, "quarantine", "list", "--device", STRANGER, cwd=root)
    assert listed.count("unknown device") == 2
    assert "2 stay" in shouwang(
        "journal", "quarantine", "replay", *where, "--device", STRANGER, cwd=root, status=1
    )
    there.programs[-1].stop()
    there.config.write_text(there.config.read_text().replace(WATCH, STRANGER))
    there.start("gateway")
    again = ("journal", "quarantine", "replay", *where, "--reason", "unknown device")
    dry = shouwang(*again, "--dry-run", cwd=root)
    assert "2 would be taken, 0 stay" in dry
    assert there.query("select count(*) from quarantine") == [(3,)]
    taken = shouwang(*again, cwd=root)
    assert "2 taken, 0 stay" in taken
    events, alarms, frames = history(there)
    assert [event[4]["backlog"] for event in events] == [True, True]
    assert [(kind, severity) for _, kind, severity in alarms] == [("sos", "critical")]
    late = [
        json.loads(body)["alarm"]["late"]
        for (body,) in there.query("select payload from events where kind = 'alarm'")
    ]
    assert late == [True]
    assert len(frames) == 1
    assert "0 taken, 0 stay" in shouwang(*again, cwd=root)
    assert (events, alarms) == history(there)[:2]
    with capsys.disabled():
        print(f"\n{listed}{taken.strip()}")


def by_hand(path, transport, *pieces):
    """A capture file written by hand."""
    header = {
        "shouwang_capture": 1,
        "gateway": "hand",
        "community": "xinhe",
        "transport": transport,
        "at": "2026-01-01T00:00:00Z",
    }
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *pieces)))
    return path


@pytest.mark.slow
def test_a_radio_receiver_is_recorded_and_played_back_on_a_serial_port(house, root, tmp_path):
    port = tmp_path / "radio0"
    radio = f'path = "{port}", baud = "auto", protocol = "senml_slip", shared = true'
    there = house(
        **{
            "ports = [ {": f"ports = [ {{ {radio} }}, {{",
            f'"{WATCH}", protocol = "watch"': f'"{WATCH}", protocol = "senml_slip"',
        }
    )
    there.start("gateway")
    frame = wrap(cbor_pack([{"bn": f"urn:dev:sw:{WATCH}:", "n": "hr", "u": "beat/min", "v": 71}]))
    up = {"what": "up", "link": 1, "protocol": "senml_slip"}
    made = by_hand(
        tmp_path / "made.jsonl",
        "serial",
        up | {"at_s": 0.0, "hex": frame[:9].hex()},
        up | {"at_s": 0.1, "hex": frame[9:].hex()},
        {"at_s": 0.2, "what": "reply", "link": 1, "hex": acknowledgement(WATCH, unwrap(frame)[1]).hex()},
    )
    out = tmp_path / "radio.jsonl"
    recording = Recording(there, "serial", out, root)
    replay = ("sim", "replay", "--serial", port)
    assert "1 of 1 replies came" in shouwang(*replay, made, cwd=root)
    recording.stop()
    first = history(there)
    assert len(first[0]) == 1
    start_afresh(there)
    assert "1 of 1 replies came" in shouwang(*replay, out, cwd=root)
    until(lambda: len(history(there)[0]) == 1)
    assert history(there) == first


@pytest.mark.slow
def test_a_band_on_mqtt_is_recorded_and_played_back_with_its_key(house, root, tmp_path):
    there = house()
    there.start("gateway")
    pack = json.dumps([{"n": "hr", "u": "beat/min", "v": 71}]).encode()
    up = {"what": "up", "link": 1, "protocol": "senml", "device": "band-zhang", "at_s": 0.0}
    made = by_hand(tmp_path / "made.jsonl", "mqtt_listener", up | {"hex": pack.hex()})
    out = tmp_path / "mqtt.jsonl"
    key_file = there.folder / "var" / "secrets" / "band-zhang"
    replay = ("sim", "replay", "--port", there.ports["18830"], "--speed", "0")
    assert "--key-file" in shouwang_fails(*replay, made, cwd=root)
    recording = Recording(there, "mqtt_listener", out, root)
    assert "1 pieces" in shouwang(*replay, made, "--key-file", key_file, cwd=root)
    recording.stop()
    assert key_file.read_text().strip() not in out.read_text()
    first = history(there)
    assert len(first[0]) == 1
    start_afresh(there)
    assert "1 pieces" in shouwang(*replay, out, "--key-file", key_file, cwd=root)
    assert history(there) == first
