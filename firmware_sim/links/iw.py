"""An IW bracelet on TCP: a login on every new line, then frames that name nobody."""

from __future__ import annotations

from firmware_sim import iw_frames, watch_frames
from firmware_sim.links.base import Heard
from firmware_sim.links.tcp import TcpLink
from firmware_sim.report import Report

ORDERS = {"BP88": "find", "BP16": "locate_now", "BP15": "interval"}


class IwLink(TcpLink):
    """One bracelet and the line it keeps open."""

    def _greeting(self) -> bytes:
        return iw_frames.login(self._band.device)

    def _frames(self, report: Report, *, heartbeat_due: bool) -> list[bytes]:
        frames = [iw_frames.position(report), *iw_frames.health(report)]
        return [iw_frames.heartbeat(report), *frames] if heartbeat_due else frames

    async def _obey(self, buffer: bytearray, heard: Heard) -> None:
        for word, fields in iw_frames.cut_frames(buffer):
            if word == "BP10":
                self._alarm_answered.set()
            elif word == "BP40" and fields:
                heard(watch_frames.message_text(fields[-1]))
                await self._write(iw_frames.answer(word, fields))
            elif word in ORDERS:
                heard(ORDERS[word])
                await self._write(iw_frames.answer(word, fields))
