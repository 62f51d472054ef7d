"""A GSM modem on a pseudo-terminal, with people at the other end of its network.

Any AT client may open the path, one after another, as with a real serial port.
`unplug` and `plug` take the port away and bring it back; other faults are in `ModemFaults`.
"""

from __future__ import annotations

import asyncio
import functools
import os
import tty
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from firmware_sim.modem_at import Interpreter, LineState, Refused
from firmware_sim.modem_faults import ModemFaults
from firmware_sim.people import Persona, RingEnd, Transcript
from firmware_sim.short_messages import Telephones, deliver, status_report
from sos.pdu import Submit

__all__ = ["ModemFaults", "SimModem"]

MAX_LINE_BYTES = 2048
CTRL_Z, ESCAPE, RETURN, NEWLINE = 0x1A, 0x1B, 0x0D, 0x0A
ACTIVE, ALERTING, INCOMING, WAITING = 0, 3, 4, 5
RINGS_HERE, RING_S = 8, 4.0
DIALLING_S = 0.05
NETWORK_GIVES_UP_S = 60.0
AFTER_KEY_S = 5.0
SPEECH_S_PER_CHAR = 0.02
DELIVERED, NOT_DELIVERED = 0x00, 0x41
ROUTED, KEPT = 1, 2
RING_ENDS: dict[RingEnd, str] = {"ended": "", "unanswered": "NO ANSWER", "rejected": "BUSY"}


class SimModem:
    """The modem; build it, then `run` it. `path` becomes a symbolic link to the pseudo-terminal."""

    def __init__(
        self,
        *,
        path: Path,
        people: Mapping[str, Persona],
        say: Callable[[str], None] | None = None,
        faults: ModemFaults | None = None,
    ) -> None:
        self._path = path
        self.faults = faults or ModemFaults()
        self.transcript = Transcript(people, say=say)
        self.at = Interpreter(network=self, faults=self.faults)
        self._phones = Telephones()
        self._held_reports: list[tuple[str, int]] = []
        self._reference = 0
        self._master: int | None = None
        self._slave: int | None = None
        self._line = bytearray()
        self._tasks: asyncio.TaskGroup | None = None
        self._call_ended = asyncio.Event()
        self._waiting_ended = asyncio.Event()
        self.texts_sent = 0
        """PDUs the network took."""
        self.resets = 0
        """Times `AT+CFUN=1,1` brought the modem back from a hang."""

    async def run(self, ready: Callable[[str], None]) -> None:
        """Be there until cancelled; `ready` is called with the path once it can be opened."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self.plug()
            try:
                ready(str(self._path))
                await asyncio.Event().wait()
            finally:
                self.unplug()

    def plug(self) -> None:
        """Be at the path; harmless when already there."""
        if self._master is not None:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        """Be gone from the path, as when the cable is pulled; a call goes on in the air."""
        if self._master is None or self._slave is None:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = None
        self._line.clear()
        self.at.pending = None
        self._path.unlink(missing_ok=True)

    def receive_text(self, sender: str, text: str) -> bool:
        """Let a text come in; False when the SIM's memory is full."""
        return self.receive_message(*deliver(sender, text))

    def receive_message(self, tpdu: str, length: int) -> bool:
        """Let an SMS-DELIVER come in as it is, `length` octets long; False when the SIM's memory is full."""
        slot = self.at.store(tpdu, length)
        if slot is not None and self.at.notify[1] == 1 and not self.faults.strikes("lost_notice"):
            self._write(f'\r\n+CMTI: "SM",{slot}\r\n')
        return slot is not None

    # ------------------------------------------------------------------ the serial line

    def _readable(self) -> None:
        assert self._master is not None
        try:
            received = os.read(self._master, 4096)
        except (BlockingIOError, OSError):
            return
        if self.faults.hang and self.faults.reset_helps and b"AT+CFUN=1,1\r" in received:
            self.faults.hang = False
            self.resets += 1
        if self.faults.hang:
            return
        for octet in received:
            self._take(octet)

    def _take(self, octet: int) -> None:
        if self.at.pending is not None:
            self._take_written(octet)
            return
        if self.at.echo:
            self._write(chr(octet))
        if octet == RETURN:
            line = self._line.decode("latin-1")
            self._line.clear()
            if line.strip():
                self._answer(lambda: self.at.answer(line))
        elif octet == ESCAPE:
            self._line.clear()
        elif octet != NEWLINE and len(self._line) < MAX_LINE_BYTES:
            self._line.append(octet)

    def _take_written(self, octet: int) -> None:
        """Collect what is written at the prompt, up to Ctrl-Z, or ESC to give up."""
        pending = self.at.pending
        assert pending is not None
        if octet not in {CTRL_Z, ESCAPE}:
            self._line.append(octet)
            if self.at.echo:
                self._write(chr(octet))
            return
        self.at.pending = None
        written = self._line.decode("latin-1")
        self._line.clear()
        self._answer(lambda: pending(written) if octet == CTRL_Z else ["OK"])

    def _answer(self, work: Callable[[], list[str]]) -> None:
        try:
            lines = work()
        except Refused as refused:
            lines = [refused.final]
        for line in lines:
            self._write("\r\n" + line + ("" if line == "> " else "\r\n"))

    def _write(self, text: str) -> None:
        """Write to whoever has the port open; what nobody reads is lost, as on a serial line."""
        if self._master is None or self.faults.hang:
            return
        try:
            os.write(self._master, text.encode("latin-1"))
        except BlockingIOError:
            return

    # ------------------------------------------------------------------ the network: texts

    def send_text(self, part: Submit) -> int:
        """Carry a text (or a part) to its telephone; gives the message reference."""
        self._reference = (self._reference + 1) % 256
        self.texts_sent += 1
        self._spawn(self._carry(part, self._reference))
        return self._reference

    async def _carry(self, part: Submit, reference: int) -> None:
        await asyncio.sleep(0)
        failed, silent = self.faults.strikes("undelivered"), self.faults.strikes("no_report")
        whole = None if failed else self._phones.take(part)
        if whole is not None:
            self.transcript.add(part.to, "text", whole)
        if part.status_report and not silent:
            self._report(*status_report(reference, part.to, status=NOT_DELIVERED if failed else DELIVERED))
        person, hand = self.transcript.person(part.to), self.transcript.hand(part.to)
        if whole is None:
            return
        hand.text_came(functools.partial(self._reply, part.to))
        if person.reply_text is not None and not hand.held:
            await asyncio.sleep(person.key_after_s)
            self._reply(part.to, person.reply_text)

    def _report(self, tpdu: str, length: int) -> None:
        """Give a delivery report as `+CNMI` asked for it: at once (1), or kept like a text (2).

        Without a network the service centre keeps it until there is one.
        """
        if self.faults.no_network:
            self._held_reports.append((tpdu, length))
            return
        if self.at.notify[3] == ROUTED:
            self._write(f"\r\n+CDS: {length}\r\n{tpdu}\r\n")
        elif self.at.notify[3] == KEPT and (slot := self.at.store(tpdu, length)) is not None:
            self._write(f'\r\n+CDSI: "SM",{slot}\r\n')

    def _reply(self, phone: str, words: str) -> None:
        self.transcript.add(phone, "replied", words)
        self.receive_text(phone, words)

    # ------------------------------------------------------------------ the network: calls

    def dial(self, number: str) -> None:
        """Start a call to this number."""
        self.at.call = LineState(number)
        self._call_ended = asyncio.Event()
        self._spawn(self._ring(number, self._call_ended))

    def receive_call(self, number: str) -> asyncio.Event:
        """Let somebody ring the modem, for as long as a person would; the event is set once it is over.

        While a call stands, whoever rings waits beside it, and a second one who does is turned away.
        """
        ended = asyncio.Event()
        if self.at.call is None:
            self.at.call = LineState(number, INCOMING, incoming=True)
            self._call_ended = ended
            self._spawn(self._ring_here(ended))
        elif self.at.waiting is None:
            self.at.waiting = LineState(number, WAITING, incoming=True)
            self._waiting_ended = ended
            self._spawn(self._wait_here(self.at.waiting, ended))
        else:
            ended.set()
        return ended

    async def _ring_here(self, ended: asyncio.Event) -> None:
        for _ in range(RINGS_HERE):
            self._write("\r\nRING\r\n")
            if await _within(ended, RING_S):
                return
        self.at.call = None
        ended.set()
        self._write("\r\nNO CARRIER\r\n")

    async def _wait_here(self, waiting: LineState, ended: asyncio.Event) -> None:
        """Wait until turned away or tired; once the other call is over, ring."""
        for _ in range(RINGS_HERE * 10):
            if await _within(ended, RING_S / 10):
                return
            if self.at.call is None:
                self.at.waiting, self.at.call = None, waiting
                waiting.status, self._call_ended = INCOMING, ended
                await self._ring_here(ended)
                return
        self.turn_away()

    def turn_away(self) -> None:
        """End the call that waits; the other goes on."""
        self._waiting_ended.set()
        self.at.waiting = None

    def hang_up(self) -> None:
        """End the call from our side."""
        self._call_ended.set()
        self.at.call = None

    def lose_network(self, *, tells: bool = True) -> None:
        """Drive into a tunnel: the call is gone, `NO CARRIER` is said of it unless not `tells`."""
        self.faults.no_network = True
        self.turn_away()
        if self.at.call is not None:
            self.hang_up()
            if tells:
                self._write("\r\nNO CARRIER\r\n")
        if self.at.tells_network:
            self._write("\r\n+CREG: 2\r\n")

    def find_network(self) -> None:
        """Come out again: the delivery reports of meanwhile arrive."""
        self.faults.no_network = False
        if self.at.tells_network:
            self._write("\r\n+CREG: 1\r\n")
        held, self._held_reports = self._held_reports, []
        for tpdu, length in held:
            self._report(tpdu, length)

    def speak(self, words: str) -> None:
        """Let the person hear it, if the call stands."""
        call = self.at.call
        if call is None or call.status != ACTIVE:
            raise Refused
        self.transcript.add(call.number, "heard", words)
        self._spawn(self._spoken(SPEECH_S_PER_CHAR * len(words)))

    async def _spoken(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._write("\r\n+CTTS: 0\r\n")

    async def _ring(self, number: str, ended: asyncio.Event) -> None:
        """Live through one call; every way it ends is told as the network would."""
        result = await self._outcome(number, ended)
        if not ended.is_set():
            self.at.call = None
            self._write(f"\r\n{result}\r\n")
        self.transcript.add(number, "hung_up", result if not ended.is_set() else "by us")

    async def _outcome(self, number: str, ended: asyncio.Event) -> str:
        if await _within(ended, DIALLING_S):
            return ""
        with self.transcript.hand(number).call(self.transcript.person(number)) as here:
            if here.busy:
                return "BUSY"
            self._stage(ALERTING)
            self.transcript.add(number, "ringing")
            end = await here.rings(ended=ended, limit_s=NETWORK_GIVES_UP_S)
            if end in RING_ENDS:
                return RING_ENDS[end]
            self._stage(ACTIVE)
            self.transcript.add(number, "voicemail" if end == "machine" else "picked_up")
            while (key := await here.key(ended=ended)) is not None:
                self.transcript.add(number, "pressed", key)
                if self.at.hears_keys:
                    self._write(f"\r\n+DTMF: {key}\r\n")
                if not here.taken:
                    await _within(ended, AFTER_KEY_S)
                    break
            return "" if ended.is_set() else "NO CARRIER"

    def _stage(self, status: int) -> None:
        if self.at.call is not None:
            self.at.call.status = status

    def _spawn(self, life: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None
        self._tasks.create_task(life)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
