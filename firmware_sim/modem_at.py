"""What the simulated modem says to each AT command (3GPP TS 27.005 and 27.007, SIMCom's DTMF and speech).

Good enough for gammu, for smsd and for our own carrier; a command nobody taught it gets ERROR.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Protocol

from firmware_sim.modem_faults import ModemFaults
from firmware_sim.short_messages import read_submit, text_submit
from sos.pdu import BASIC, Submit

SLOTS = 20
UNREAD, READ = 0, 1
_STATUS_WORDS = {UNREAD: "REC UNREAD", READ: "REC READ"}
NO_SIM, BUSY_LINE, NOT_FOUND = "+CME ERROR: 10", "+CME ERROR: 3", "+CMS ERROR: 321"
WRONG_PIN = "+CME ERROR: 16"
BAD_PDU, NO_NETWORK, UNKNOWN_TEXT_ERROR = "+CMS ERROR: 304", "+CMS ERROR: 331", "+CMS ERROR: 500"


class Refused(Exception):
    """The final answer instead of OK."""

    def __init__(self, final: str = "ERROR") -> None:
        super().__init__(final)
        self.final = final


@dataclass(slots=True)
class Stored:
    """A short message in the SIM's memory."""

    tpdu: str
    length: int
    status: int = UNREAD


@dataclass(slots=True)
class LineState:
    """A call as `+CLCC` lists it: 0 active, 2 dialling, 3 alerting, 4 coming in, 5 waiting."""

    number: str
    status: int = 2
    incoming: bool = False


class Network(Protocol):
    """What the interpreter asks of the rest of the modem."""

    def send_text(self, part: Submit) -> int:
        """Hand a text to the network and give its message reference."""
        ...

    def dial(self, number: str) -> None:
        """Start a call."""
        ...

    def hang_up(self) -> None:
        """End the call, if there is one."""
        ...

    def turn_away(self) -> None:
        """End the call that waits, if there is one; the other goes on."""
        ...

    def speak(self, words: str) -> None:
        """Say this to whoever is on the line."""
        ...


@dataclass(slots=True, kw_only=True)
class Interpreter:
    """The modem's settings and memory, and its answer to every command line."""

    network: Network
    faults: ModemFaults
    echo: bool = True
    text_mode: bool = False
    charset: str = "GSM"
    centre: str = "+8613800210500"
    notify: tuple[int, ...] = (0, 0, 0, 0, 0)
    hears_keys: bool = False
    tells_network: bool = False
    pins_tried: int = 0
    call: LineState | None = None
    waiting: LineState | None = None
    """Somebody who rings while the call stands."""
    memory: dict[int, Stored] = field(default_factory=dict)
    pending: Callable[[str], list[str]] | None = None
    """Set while the `>` prompt is open: takes what is written there."""

    def store(self, tpdu: str, length: int) -> int | None:
        """Keep an incoming message; its slot, or None when the memory is full."""
        slot = next((n for n in range(1, SLOTS + 1) if n not in self.memory), None)
        if slot is not None:
            self.memory[slot] = Stored(tpdu, length)
        return slot

    def answer(self, line: str) -> list[str]:
        """Give the lines that answer one command line; the last is the final result, or the prompt.

        Raises Refused.
        """
        command = line.strip()
        if command[:2].upper() != "AT":
            raise Refused
        body = command[2:]
        if re.fullmatch(r"D\+?[0-9*#]+;", body, re.IGNORECASE):
            return self._dial(body[1:-1])
        if match := re.fullmatch(r"(\+[A-Z]+)(=\?|\?|=.*)?", body, re.IGNORECASE):
            name, tail = match[1].upper(), match[2] or ""
            if self.faults.no_sim and name in _NEEDS_SIM:
                raise Refused(NO_SIM)
            return self._extended(name, tail)
        return self._basic(body.upper())

    # ------------------------------------------------------------------ basic commands

    def _basic(self, body: str) -> list[str]:
        if body in {"E", "E0", "E1"}:
            self.echo = body == "E1"
        elif body in {"H", "H0"}:
            self.network.hang_up()
        elif body == "I":
            return ["Shouwang SimModem 1.0", "OK"]
        elif body not in {"", "Z", "&F", "V1", "Q0", "X4", "&D0", "&D2", "&C1", "S0=0"}:
            raise Refused
        return ["OK"]

    def _dial(self, number: str) -> list[str]:
        if self.faults.no_sim:
            raise Refused(NO_SIM)
        if self.faults.no_network:
            raise Refused("NO CARRIER")
        if self.call is not None:
            raise Refused(BUSY_LINE)
        self.network.dial(number)
        return [] if self.faults.strikes("lost_dial_answer") else ["OK"]

    # ------------------------------------------------------------------ extended commands

    def _extended(self, name: str, tail: str) -> list[str]:
        if (fixed := _FIXED.get(name + tail)) is not None:
            return [*fixed, "OK"]
        handler = self._HANDLERS.get(name)
        if handler is None:
            raise Refused
        return ["OK"] if tail == "=?" else handler(self, tail)

    def _pin(self, tail: str) -> list[str]:
        if tail == "?":
            return ["+CPIN: SIM PIN" if self.faults.pin else "+CPIN: READY", "OK"]
        self.pins_tried += 1
        if tail[1:].strip('"') != self.faults.pin:
            raise Refused(WRONG_PIN)
        self.faults.pin = ""
        return ["OK"]

    def _registered(self, tail: str) -> list[str]:
        if tail != "?":
            self.tells_network = tail != "=0"
            return ["OK"]
        state = 3 if self.faults.denied else 2 if self.faults.no_network else 1
        return [f"+CREG: {int(self.tells_network)},{state}", "OK"]

    def _signal(self, _tail: str) -> list[str]:
        return [f"+CSQ: {self.faults.signal},0", "OK"]

    def _mode(self, tail: str) -> list[str]:
        if tail == "?":
            return [f"+CMGF: {int(self.text_mode)}", "OK"]
        if tail not in {"=0", "=1"}:
            raise Refused
        self.text_mode = tail == "=1"
        return ["OK"]

    def _charset(self, tail: str) -> list[str]:
        if tail == "?":
            return [f'+CSCS: "{self.charset}"', "OK"]
        wanted = tail[1:].strip('"').upper()
        if wanted not in {"GSM", "UCS2", "IRA"}:
            raise Refused
        self.charset = wanted
        return ["OK"]

    def _service_centre(self, tail: str) -> list[str]:
        if tail == "?":
            return [f'+CSCA: "{self.centre}",145', "OK"]
        self.centre = tail[1:].split(",", maxsplit=1)[0].strip('"')
        return ["OK"]

    def _notify(self, tail: str) -> list[str]:
        if tail == "?":
            return ["+CNMI: " + ",".join(map(str, self.notify)), "OK"]
        try:
            given = tuple(int(value) for value in tail[1:].split(","))
        except ValueError:
            raise Refused from None
        self.notify = given + self.notify[len(given) :]
        return ["OK"]

    def _storage(self, tail: str) -> list[str]:
        used = f"{len(self.memory)},{SLOTS}"
        if tail == "?":
            return ["+CPMS: " + ",".join(f'"SM",{used}' for _ in range(3)), "OK"]
        if not set(re.findall(r'"(\w+)"', tail)) <= {"SM", "MT"}:
            raise Refused("+CMS ERROR: 302")
        return ["+CPMS: " + ",".join([used] * 3), "OK"]

    def _keys(self, tail: str) -> list[str]:
        self.hears_keys = tail == "=1"
        return ["OK"]

    def _speech(self, tail: str) -> list[str]:
        if self.faults.no_speech:
            raise Refused
        if match := re.fullmatch(r'=1,"([0-9A-Fa-f]*)"', tail):
            self.network.speak(bytes.fromhex(match[1]).decode("utf-16-be"))
        return ["OK"]

    def _calls(self, _tail: str) -> list[str]:
        lines = []
        for number, call in enumerate((self.call, self.waiting), 1):
            if call is not None:
                kind = 145 if call.number.startswith("+") else 129
                lines.append(f'+CLCC: {number},{int(call.incoming)},{call.status},0,0,"{call.number}",{kind}')
        return [*lines, "OK"]

    def _hold(self, tail: str) -> list[str]:
        """Turn away who waits (`=0`); nothing else is known here (27.007 clause 7.13)."""
        if tail != "=0":
            raise Refused
        self.network.turn_away()
        return ["OK"]

    def _hang_up(self, _tail: str) -> list[str]:
        self.network.hang_up()
        return ["OK"]

    # ------------------------------------------------------------------ short messages

    def _send(self, tail: str) -> list[str]:
        wanted = tail[1:]
        if self.faults.strikes("no_prompt"):
            return []
        if self.text_mode:
            number = self._decoded(wanted.split(",")[0].strip('"'))
            self.pending = lambda written: self._submit(text_submit(number, self._decoded(written)))
        elif wanted.isdecimal():
            length = int(wanted)
            self.pending = lambda written: self._submit_pdu(written.strip(), length)
        else:
            raise Refused(BAD_PDU)
        return ["> "]

    def _decoded(self, written: str) -> str:
        if self.charset == "UCS2":
            try:
                return bytes.fromhex(written).decode("utf-16-be")
            except ValueError:
                raise Refused(BAD_PDU) from None
        if self.charset == "GSM":
            return "".join(BASIC[ord(char)] if ord(char) < len(BASIC) else "?" for char in written)
        return written

    def _submit_pdu(self, written: str, length: int) -> list[str]:
        try:
            return self._submit(read_submit(written, length=length))
        except ValueError:
            raise Refused(BAD_PDU) from None

    def _submit(self, part: Submit) -> list[str]:
        if self.faults.no_network:
            raise Refused(NO_NETWORK)
        if self.faults.strikes("text_error"):
            raise Refused(UNKNOWN_TEXT_ERROR)
        if self.faults.strikes("swallowed"):
            return []
        lost = self.faults.strikes("lost_answer")
        reference = self.network.send_text(part)
        noise = ["\xfe\x81+C\x00M"] if self.faults.strikes("noise") else []
        return [] if lost else [*noise, f"+CMGS: {reference}", *noise, "OK"]

    def _read(self, tail: str) -> list[str]:
        slot = self.memory.get(int(tail[1:])) if tail[1:].isdecimal() else None
        if slot is None:
            raise Refused(NOT_FOUND)
        shown = f"+CMGR: {self._status(slot)},,{slot.length}"
        slot.status = READ
        if self.faults.strikes("garbled_read"):
            return [shown, slot.tpdu[:20] + "\xfe" + slot.tpdu[22:], "OK"]
        noise = ["\xfe\x81+C\x00M", "0791"] if self.faults.strikes("noisy_read") else []
        return [*noise, shown, *noise, slot.tpdu, *noise, "OK"]

    def _list(self, _tail: str) -> list[str]:
        lines: list[str] = []
        for number, slot in sorted(self.memory.items()):
            lines += [f"+CMGL: {number},{self._status(slot)},,{slot.length}", slot.tpdu]
            slot.status = READ
        return [*lines, "OK"]

    def _status(self, slot: Stored) -> str:
        return f'"{_STATUS_WORDS[slot.status]}"' if self.text_mode else str(slot.status)

    def _delete(self, tail: str) -> list[str]:
        number = tail[1:].split(",", maxsplit=1)[0]
        if self.faults.strikes("no_delete"):
            raise Refused(UNKNOWN_TEXT_ERROR)
        if not number.isdecimal() or self.memory.pop(int(number), None) is None:
            raise Refused(NOT_FOUND)
        return ["OK"]

    _HANDLERS: ClassVar[Mapping[str, Callable[[Interpreter, str], list[str]]]] = MappingProxyType(
        {
            "+CPIN": _pin,
            "+CREG": _registered,
            "+CSQ": _signal,
            "+CMGF": _mode,
            "+CSCS": _charset,
            "+CSCA": _service_centre,
            "+CNMI": _notify,
            "+CPMS": _storage,
            "+DDET": _keys,
            "+CTTS": _speech,
            "+CLCC": _calls,
            "+CHLD": _hold,
            "+CHUP": _hang_up,
            "+CMGS": _send,
            "+CMGR": _read,
            "+CMGL": _list,
            "+CMGD": _delete,
        }
    )


_NEEDS_SIM = frozenset(
    {"+CPIN", "+CIMI", "+CMGS", "+CMGR", "+CMGL", "+CMGD", "+CSCA", "+CPMS", "+CNMI", "+COPS", "+CPBS"}
)
_FIXED: dict[str, list[str]] = {
    "+CGMI": ["Shouwang"],
    "+CGMM": ["SimModem"],
    "+CGMR": ["1.0"],
    "+CGSN": ["869999000000018"],
    "+CIMI": ["460001234567890"],
    "+CSCS=?": ['+CSCS: ("GSM","IRA","UCS2")'],
    "+CPMS=?": ['+CPMS: ("SM","MT"),("SM","MT"),("SM","MT")'],
    "+CNMI=?": ["+CNMI: (0-2),(0-1),(0),(0-2),(0-1)"],
    "+CMGF=?": ["+CMGF: (0,1)"],
    "+CMGL=?": ["+CMGL: (0-4)"],
    "+CSMS?": ["+CSMS: 0,1,1,1"],
    "+CSMP?": ["+CSMP: 17,167,0,0"],
    "+COPS?": ['+COPS: 0,0,"CHINA MOBILE"'],
    "+CMEE=0": [],
    "+CMEE=1": [],
    "+CMEE=2": [],
    "+CLIP=1": [],
    "+COLP=0": [],
    "+CDTAM=1": [],
    "+CMMS=1": [],
    "+CSMS=0": [],
    "+CFUN=1": [],
    "+CFUN=1,1": [],
}
