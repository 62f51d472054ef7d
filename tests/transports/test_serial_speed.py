"""A port whose speed is found, and lines that were cut in half, with the real intake behind the wire."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import tty
from functools import reduce
from operator import xor

import pytest

from gateway.bands.registry import Device, Registry
from gateway.clock import ManualClock
from gateway.intake import Intake
from gateway.plugins import make_codec
from gateway.transports import serial, serial_port
from gateway.transports.base import Site


def gga(second):
    body = f"GNGGA,0552{second % 60:02d}.000,3109.31800,N,12106.30000,E,1,14,0.9,7.5,M,8.0,M,,"
    return f"${body}*{reduce(xor, body.encode()):02X}\r\n".encode()


NOISE = b"\x86$\xf8G\x1e*zz\r\n\x00$\x80\xff*\r\n"
"""What a UART makes of a line at the wrong speed: bytes, and now and then something like a sentence."""


class Journal:
    """Commits at once and keeps what came."""

    def __init__(self):
        self.quarantined = []
        self.congested = False

    def append(self, record):
        self.quarantined += list(record.rest.quarantine)
        if record.committed is not None:
            record.committed(0)

    async def uncongested(self):
        """Never congested."""


class Engine:
    """Keeps what was heard."""

    def __init__(self):
        self.heard_frames = []

    def heard(self, envelope, committed):
        self.heard_frames.append(envelope)
        committed(1)


class Receiver:
    """A receiver on a pseudo-terminal that speaks at one speed; at any other it is noise."""

    def __init__(self, path, baud):
        self.path = path
        self.baud = baud
        self.tried = []
        self.second = 0
        self.plug()

    def plug(self):
        self.ours, self.theirs = os.openpty()
        tty.setraw(self.theirs)
        os.set_blocking(self.ours, False)
        self.path.symlink_to(os.ttyname(self.theirs))

    def unplug(self):
        self.path.unlink(missing_ok=True)
        os.close(self.ours)
        os.close(self.theirs)

    def speak(self, line=None):
        self.second += 1
        line = line or gga(self.second)
        speed = termios.tcgetattr(self.theirs)[4]
        if speed not in self.tried[-1:]:
            self.tried.append(speed)
        with contextlib.suppress(BlockingIOError):
            os.write(self.ours, line if speed == self.baud else NOISE)


@pytest.fixture
async def gateway(tmp_path):
    """Starts a serial transport on a port, with an intake behind it."""
    tasks = []

    async def start(**port):
        journal, engine = Journal(), Engine()
        intake = Intake(
            registry=Registry([Device(device="gnss-1", protocol="nmea", wearer="zhang")]),
            engine=engine,
            journal=journal,
            clock=ManualClock(),
            codec=make_codec,
        )
        settings = serial.SerialSettings(
            ports=(serial.Port(path=str(tmp_path / "gnss0"), device="gnss-1", **port),)
        )
        transport = serial.SerialTransport(
            settings, intake, Site(gateway="g", community="c", data_dir=tmp_path)
        )
        opened = asyncio.Event()
        tasks.append(asyncio.create_task(transport.run(lambda _: opened.set())))
        await opened.wait()
        return transport, journal, engine, intake

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def receiver(tmp_path, monkeypatch):
    monkeypatch.setattr(serial, "BACKOFF_FIRST_S", 0.005)
    monkeypatch.setattr(serial_port, "LISTEN_S", 0.02)
    built = Receiver(tmp_path / "gnss0", termios.B38400)
    yield built
    built.unplug()


async def until(condition, meanwhile=lambda: None):
    while not condition():
        meanwhile()
        await asyncio.sleep(0.002)


async def test_the_speed_is_found_and_the_noise_of_the_others_fills_no_quarantine(gateway, receiver):
    transport, journal, engine, intake = await gateway(baud="auto", bauds=(9600, 115200, 38400, 4800))
    await until(lambda: len(engine.heard_frames) >= 2, receiver.speak)
    assert receiver.tried == [termios.B9600, termios.B115200, termios.B38400]
    assert journal.quarantined == []
    assert intake.counts["skipped: not in step yet"] > 0
    assert transport.counts["speed changed"] == 2


async def test_a_silent_port_stays_at_its_speed(gateway, receiver):
    transport, *_ = await gateway(baud="auto", bauds=(9600, 38400))
    await asyncio.sleep(0.1)
    assert transport.counts["speed changed"] == 0


async def test_after_a_replug_the_speed_found_before_is_tried_first(gateway, receiver):
    transport, _, engine, _ = await gateway(baud="auto", bauds=(9600, 38400))
    await until(lambda: transport._open and next(iter(transport._open.values())).found_baud, receiver.speak)
    receiver.unplug()
    await until(lambda: transport.counts["lost"] == 1)
    receiver.tried.clear()
    receiver.plug()
    await until(lambda: transport.counts["opened"] == 2)
    heard = len(engine.heard_frames)
    await until(lambda: len(engine.heard_frames) > heard, receiver.speak)
    assert receiver.tried == [termios.B38400]


async def test_a_device_set_to_another_speed_is_found_again(gateway, receiver, monkeypatch):
    monkeypatch.setattr(serial_port, "MISSES_IN_STEP", 3)
    transport, _, engine, _ = await gateway(baud="auto", bauds=(38400, 9600))
    await until(lambda: next(iter(transport._open.values())).found_baud, receiver.speak)
    receiver.baud = termios.B9600
    heard = len(engine.heard_frames)
    await until(lambda: len(engine.heard_frames) > heard, receiver.speak)
    assert transport.counts["speed changed"] == 1


async def test_half_a_line_at_the_start_is_skipped_and_the_next_wrong_one_is_kept(gateway, receiver):
    _, journal, engine, intake = await gateway(baud=38400)
    receiver.speak(b"9.31800,N,$12106.3" + gga(1) + gga(2))
    await until(lambda: engine.heard_frames or intake.counts)
    receiver.speak(gga(3).replace(b",N,", b",S,") + gga(4))
    await until(lambda: journal.quarantined)
    assert [row.reason for row in journal.quarantined] == ["checksum wrong"]
    assert intake.counts["skipped: not in step yet"] == 1


async def test_what_is_left_of_a_line_when_the_port_is_pulled_out_is_kept(gateway, receiver):
    transport, journal, _, _ = await gateway(baud=38400)
    receiver.speak(b"$GNGGA,0552")
    await until(lambda: next(iter(transport._open.values()))._heard_bytes)
    receiver.unplug()
    await until(lambda: journal.quarantined)
    assert [(row.raw, row.device) for row in journal.quarantined] == [(b"$GNGGA,0552", "gnss-1")]
    receiver.plug()
