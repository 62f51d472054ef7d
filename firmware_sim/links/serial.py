"""A receiver on a serial line: a pseudo-terminal with a symbolic link to it, replaying a real receiver's log.

A receiver keeps nothing: what nobody has read when the next epoch comes is thrown away, never delivered late.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

from firmware_sim.links.base import Heard
from firmware_sim.replay import Moment, Recording, read_recording, whole_second
from firmware_sim.report import Report
from firmware_sim.settings import RECORDINGS, SimBand

RECORDING = RECORDINGS / "quectel-l76k-nmea.log"


class SerialLink:
    """One receiver; `deliver` speaks one epoch at the place and time of the report.

    `thrown_away` counts epochs nobody read.
    """

    def __init__(self, band: SimBand, community: str) -> None:  # noqa: ARG002 - every link is built alike
        if band.path is None:
            message = f"band {band.device} is on a serial line and needs a path"
            raise ValueError(message)
        self.connected = asyncio.Event()
        self.thrown_away = 0
        self._path: Path = band.path
        self._recording: Recording = read_recording(RECORDING.read_text(encoding="ascii"))
        self._epochs: Iterator[tuple[str, ...]] = self._recording.forever()
        self._ends: tuple[int, int] | None = None

    async def run(self, heard: Heard) -> None:  # noqa: ARG002 - a receiver hears nothing
        """Be plugged in until cancelled."""
        self.plug()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.unplug()

    def plug(self) -> None:
        """Make the line and the link to it; another link at the path is replaced."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self._ends = (ours, theirs)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(theirs))
        fresh.replace(self._path)
        self.connected.set()

    def unplug(self) -> None:
        """Take the link away (if it is still ours) and close the line."""
        if self._ends is None:
            return
        ours, theirs = self._ends
        self._ends = None
        self.connected.clear()
        with contextlib.suppress(OSError):
            if self._path.readlink() == Path(os.ttyname(theirs)):
                self._path.unlink()
        os.close(theirs)
        os.close(ours)

    async def deliver(self, report: Report) -> bool:
        """Speak one epoch; True even when nobody listens, as on a real wire."""
        if self._ends is None:
            return False
        sample = report.sample
        moment = Moment(
            at=whole_second(report.at),
            lat=sample.lat,
            lon=sample.lon,
            alt_m=sample.alt_m,
            speed_m_s=sample.speed_m_s,
            course_deg=sample.course_deg,
        )
        self._speak(self._recording.replayed(next(self._epochs), moment))
        return True

    def _speak(self, data: bytes) -> None:
        assert self._ends is not None
        ours, theirs = self._ends
        unread = struct.unpack("i", fcntl.ioctl(theirs, termios.FIONREAD, b"\0\0\0\0"))[0]
        if unread:
            self.thrown_away += 1
            termios.tcflush(theirs, termios.TCIFLUSH)
        with contextlib.suppress(BlockingIOError):
            os.write(ours, data)
