"""One serial port while it is plugged in: read without blocking, written without waiting, its speed found.

A port is joined in the middle of what its device says, so the first thing that is no frame is skipped.
With several speeds to try, each is listened to until the sink has made whole frames of it (`Link.frames`):
a speed at which bytes come and no frame does for `MISSES_LOOKING` times `LISTEN_S` is given up for the next;
silence proves nothing, so a quiet port stays where it is.
A speed that was right and gives no frame `MISSES_IN_STEP` times any more is looked for again.

Bounds: at `MAX_UNSETTLED` unsettled pieces, or while the journal is behind, the port is not read;
the kernel's buffer (4 KiB) then drops what the receiver goes on saying, and a new sentence begins afresh.
"""

from __future__ import annotations

import asyncio
import logging
import os
import termios
from collections import Counter
from collections.abc import Callable

from serial import Serial, SerialException

from gateway.transports.base import Inbound, Link, Outcome, Settlement, Sink

MAX_UNSETTLED = 64
READ_BYTES = 4096
LISTEN_S = 1.5
MISSES_LOOKING = 2
MISSES_IN_STEP = 20

log = logging.getLogger(__name__)


class OpenPort:
    """A port while it is plugged in; `lost` says why it is not any more.

    `bauds` are tried in their order; `make_link` gives a fresh link each time.
    `found_baud` is the speed at which frames came.
    Raises OSError or ValueError when the port cannot be opened.
    """

    def __init__(
        self,
        path: str,
        bauds: tuple[int, ...],
        make_link: Callable[[], Link],
        sink: Sink,
        counts: Counter[str],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.found_baud: int | None = None
        self._bauds = bauds
        self._make_link = make_link
        self._sink = sink
        self._counts = counts
        self._serial = Serial(path, bauds[0], timeout=0, write_timeout=0, exclusive=True)
        self._link = make_link()
        self._heard_bytes = 0
        self._unsettled = 0
        self._reading = False
        self._relief: asyncio.Task[None] | None = None
        self._search: asyncio.Task[None] | None = None
        if len(bauds) > 1:
            self._search = loop.create_task(self._find_speed(), name=f"serial speed {path}")
        self._regulate()

    def close(self) -> None:
        """Stop reading, close the port and tell the sink, which keeps what is left of a line."""
        self._pause()
        for task in (self._relief, self._search):
            if task is not None:
                task.cancel()
        if not self.lost.done():
            self.lost.cancel()
        self._serial.close()
        if self._search is None:
            self._link.settling = False
        self._sink.closed(self._link)

    def serves(self, device: str) -> bool:
        """Whether this is the device's own port, or a shared one on which it was heard."""
        return self._link.device == device or device in self._link.devices

    def write(self, data: bytes) -> bool:
        """Write without waiting; False when the port did not take all of it.

        Goes round `Serial.write`, which spins while a full port takes nothing.
        """
        if self.lost.done():
            return False
        try:
            written = os.write(self._serial.fileno(), data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._lose(str(error))
            return False
        if written != len(data):
            self._counts["short writes"] += 1
            return False
        return True

    def _readable(self) -> None:
        try:
            data = self._serial.read(READ_BYTES)
        except (OSError, SerialException) as error:
            self._lose(str(error))
            return
        if not data:
            return
        self._unsettled += 1
        self._heard_bytes += len(data)
        link = self._link
        self._sink.receive(Inbound(link, data, self._settle))
        if link.frames or (link.spoiled and self._search is None):
            link.settling = False
        if self._sink.congested and self._relief is None and not self.lost.done():
            self._counts["held: journal behind"] += 1
            self._relief = asyncio.get_running_loop().create_task(self._wait_for_room(), name="serial relief")
        self._regulate()

    def _settle(self, settlement: Settlement) -> None:
        self._unsettled -= 1
        if self.lost.done():
            self._counts["settled after the port was gone"] += 1
            return
        if settlement.outcome in (Outcome.STORED, Outcome.QUARANTINED):
            for reply in settlement.replies:
                self.write(reply)
        else:
            self._counts[settlement.outcome.value] += 1
        self._regulate()

    async def _find_speed(self) -> None:
        """Change the speed for as long as bytes come and no frames do."""
        frames = heard_bytes = misses = turn = 0
        while True:
            await asyncio.sleep(LISTEN_S)
            link = self._link
            if link.frames > frames:
                misses = 0
                if self.found_baud != self._serial.baudrate:
                    self.found_baud = self._serial.baudrate
                    log.info("serial port %s speaks at %d baud", link.peer, self.found_baud)
            elif self._heard_bytes > heard_bytes:
                misses += 1
            frames, heard_bytes = link.frames, self._heard_bytes
            if misses >= (MISSES_IN_STEP if frames else MISSES_LOOKING):
                turn, frames, misses = turn + 1, 0, 0
                self._change_speed(self._bauds[turn % len(self._bauds)])

    def _change_speed(self, baud: int) -> None:
        self._counts["speed changed"] += 1
        self._sink.closed(self._link)
        self._link = self._make_link()
        try:
            self._serial.baudrate = baud
            self._serial.reset_input_buffer()
        except (OSError, ValueError, termios.error) as error:
            self._lose(str(error))

    async def _wait_for_room(self) -> None:
        await self._sink.uncongested()
        self._relief = None
        self._regulate()

    def _regulate(self) -> None:
        if self._unsettled >= MAX_UNSETTLED or self._relief is not None or self.lost.done():
            self._pause()
        elif not self._reading:
            asyncio.get_running_loop().add_reader(self._serial.fileno(), self._readable)
            self._reading = True

    def _pause(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._serial.fileno())
            self._reading = False

    def _lose(self, reason: str) -> None:
        self._pause()
        if not self.lost.done():
            self.lost.set_result(reason)
