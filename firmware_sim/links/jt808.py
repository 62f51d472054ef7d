"""A JT/T 808 terminal on TCP: registers once, shows its code on every new line, trusts only answers."""

from __future__ import annotations

import asyncio

from firmware_sim.jt808_frames import (
    AUTHENTICATE,
    BAND_ORDERS,
    GOOD_RESULTS,
    TEXT,
    FromPlatform,
    Terminal,
    code_of,
    result_of,
    words_of,
)
from firmware_sim.links.base import ANSWER_S, Heard
from firmware_sim.links.tcp import TcpLink
from firmware_sim.report import Report
from firmware_sim.settings import SimBand
from gateway.codecs.jt808_frame import Frame


class Jt808Link(TcpLink):
    """One terminal and the line it keeps open; it remembers its authentication code from line to line."""

    def __init__(self, band: SimBand, community: str) -> None:
        super().__init__(band, community)
        self._terminal = Terminal(band.device)
        self._code: bytes | None = None
        self._cut = FromPlatform()
        self._logged_in = asyncio.Event()
        self._unanswered: dict[int, asyncio.Future[int]] = {}

    async def deliver(self, report: Report) -> bool:
        """Send a position; delivered is what was answered "stored", or "alarm handled"."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._logged_in.wait()
                frame = self._terminal.report(report)
                answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
                serial = self._terminal.serial
                self._unanswered[serial] = answer
                try:
                    return await self._write(frame) and await answer in GOOD_RESULTS
                finally:
                    del self._unanswered[serial]
        except TimeoutError:
            return False

    def _greeting(self) -> bytes:
        """Its code, or a registration where it has none yet."""
        self._cut = FromPlatform()
        self._logged_in.clear()
        return self._terminal.register() if self._code is None else self._terminal.authenticate(self._code)

    async def _obey(self, buffer: bytearray, heard: Heard) -> None:
        for frame in self._cut.feed(bytes(buffer)):
            await self._hear(frame, heard)
        buffer.clear()

    async def _hear(self, frame: Frame, heard: Heard) -> None:
        code, said = code_of(frame), result_of(frame)
        if code is not None:
            self._code = code
            await self._write(self._terminal.authenticate(code))
        elif said is not None and said.message == AUTHENTICATE:
            if said.result in GOOD_RESULTS:
                self._logged_in.set()
            else:
                self._code = None
                await self._write(self._terminal.register())
        elif said is not None:
            waiting = self._unanswered.get(said.serial)
            if waiting is not None and not waiting.done():
                waiting.set_result(said.result)
        elif frame.message == TEXT or frame.message in BAND_ORDERS:
            heard(words_of(frame) if frame.message == TEXT else BAND_ORDERS[frame.message])
            await self._write(self._terminal.confirm(frame))
