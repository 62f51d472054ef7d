"""The AT commands our carrier needs of a modem (3GPP TS 27.005 and 27.007, SIMCom's keys and speech)."""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

from sos.at import AtDialogue, AtError, AtLost, AtRefused, AtSilent
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError, CarrierRefused

log = logging.getLogger(__name__)

CHECK_DEADLINE_S = 2.0
MAX_SIGNAL = 31
MAX_SPOKEN_CHARS = 120
"""`+CTTS` takes 512 characters of hexadecimal."""
CALL_ENDS = frozenset({"NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE"})
NOT_SENT_NOW = frozenset({38, 41, 42, 47, 69, 310, 311, 312, 313, 314, 317, 330, 331, 515})
"""`+CMS ERROR` codes of a SIM, network or modem that is not ready: certainly not sent."""
NETWORK_TIMEOUT = 332
_SIM_TROUBLES = {
    "+CME ERROR: 10": "there is no SIM card in the modem",
    "+CME ERROR: 12": "the SIM card is locked and asks for its PUK",
    "+CME ERROR: 13": "the SIM card is broken",
    "+CME ERROR: 14": "the SIM card is busy",
    "+CME ERROR: 15": "the SIM card is not of the right kind",
    "+CME ERROR: 16": "the PIN in the settings is wrong",
}
"""3GPP TS 27.007 clause 9.2, in words the staff understand."""
_CLCC = re.compile(r'\+CLCC: ?\d+,(\d),(\d),(\d),\d(?:,"([^"]*)")?.*')
_KEY = re.compile(r'\+(?:RX)?DTMF: ?"?([0-9*#A-D])"?.*')
_TONE = re.compile(r"\+QTONEDET: ?(\d+)")
_STORED = re.compile(r'\+(?:CMTI|CDSI): ?"(\w+)",(\d+)')
_SENT = re.compile(r"\+CMGS: ?(\d{1,3})(?:,.*)?")
_LISTED = re.compile(r"\+CMGL: ?(\d+),.*")
_SIGNAL = re.compile(r"\+CSQ: ?(\d{1,2}),.*")
_OPERATOR = re.compile(r'\+COPS: ?\d,\d,"([^"]*)".*')
_WAITING = re.compile(r"\+CLCC: ?\d+,1,5,.*")
_MEMORIES = re.compile(r'\+CPMS: ?"(\w+)",\d+,\d+(?:,"\w+",\d+,\d+(?:,"(\w+)",\d+,\d+)?)?')


class PinRefused(AtRefused):
    """The SIM did not take the PIN: it must not be given again, the third wrong one locks the card."""


async def make_ready(at: AtDialogue, *, pin: str) -> bool:
    """Bring any modem into the one state the carrier relies on; whether it can speak in a call.

    Raises AtError; PinRefused when `pin` is wrong.
    """
    await at.ask("AT", deadline_s=CHECK_DEADLINE_S)
    await at.ask("ATE0")
    await at.tried("AT&D0")
    await at.tried("AT+CMEE=1")
    await _unlock(at, pin=pin)
    await at.ask("AT+CMGF=0")
    if not await at.tried("AT+CNMI=2,1,0,1,0"):
        await at.ask("AT+CNMI=2,1,0,2,0")
    await at.tried("AT+CLIP=1")
    await at.tried("AT+COLP=0")
    if not (await at.tried("AT+DDET=1") or await at.tried("AT+QTONEDET=1")):
        log.warning("the modem cannot hear keys: calls ring, and only a text with 1 acknowledges")
    speaks = await at.tried("AT+CTTS=?")
    await at.tried("AT+CDTAM=1")
    await at.tried("AT+CREG=1")
    return speaks


async def _unlock(at: AtDialogue, *, pin: str) -> None:
    lines = await at.ask("AT+CPIN?")
    if any("READY" in line for line in lines):
        return
    if not pin or not any("SIM PIN" in line for line in lines):
        raise AtRefused(
            "+CPIN", "the SIM is locked; set the right `pin` and start again, or unlock it by hand"
        )
    try:
        await at.ask(f'AT+CPIN="{pin}"')
    except AtRefused as error:
        raise PinRefused(error.command, error.reason) from None


async def check_network(at: AtDialogue) -> None:
    """Raise AtRefused when the network has not let the SIM in, AtSilent when the modem hangs."""
    lines = await at.ask("AT+CREG?", deadline_s=CHECK_DEADLINE_S)
    if any(re.fullmatch(r"\+CREG: ?\d,[15].*", line) for line in lines):
        return
    if any(re.fullmatch(r"\+CREG: ?\d,3.*", line) for line in lines):
        raise AtRefused("+CREG", "the network refuses the SIM card")
    raise AtRefused("+CREG", f"no network, {await _signal(at)}")


async def _signal(at: AtDialogue) -> str:
    """Say how well the modem hears the network (27.007 clause 8.5: 0 to 31, 99 when unknown)."""
    try:
        lines = await at.ask("AT+CSQ", deadline_s=CHECK_DEADLINE_S)
    except AtRefused:
        lines = ()
    found = next((match for line in lines if (match := _SIGNAL.fullmatch(line))), None)
    if found is None or int(found[1]) > MAX_SIGNAL:
        return "no signal"
    return f"signal {int(found[1])} of {MAX_SIGNAL}"


class Network(NamedTuple):
    """The network a modem is in: who runs it, and how well it is heard; None where the modem cannot say."""

    operator: str
    signal_dbm: int | None


async def network_of(at: AtDialogue) -> Network:
    """Ask for the network (27.007, 7.3 and 8.5: 0 is -113 dBm, each step 2 dB). Raises AtSilent or AtLost."""
    try:
        named = await at.ask("AT+COPS?", deadline_s=CHECK_DEADLINE_S)
    except AtRefused:
        named = ()
    try:
        heard = await at.ask("AT+CSQ", deadline_s=CHECK_DEADLINE_S)
    except AtRefused:
        heard = ()
    operator = next((match[1] for line in named if (match := _OPERATOR.fullmatch(line))), "")
    level = next((int(match[1]) for line in heard if (match := _SIGNAL.fullmatch(line))), MAX_SIGNAL + 1)
    return Network(operator, None if level > MAX_SIGNAL else 2 * level - 113)


async def listed_calls(at: AtDialogue) -> list[tuple[int, str]]:
    """Give the voice calls we made that stand on the line: (state, number). Raises AtError."""
    return _ours(await at.ask("AT+CLCC"))


async def followed_calls(at: AtDialogue) -> list[tuple[int, str]]:
    """The same as `listed_calls`, and turn away whoever waits beside our call (27.007 clause 7.13)."""
    lines = await at.ask("AT+CLCC")
    if any(map(_WAITING.fullmatch, lines)):
        await at.tried("AT+CHLD=0")
    return _ours(lines)


def _ours(lines: tuple[str, ...]) -> list[tuple[int, str]]:
    found = [_CLCC.fullmatch(line) for line in lines]
    return [(int(m[2]), m[4] or "") for m in found if m and m[1] == "0" and m[3] == "0"]


async def hang_up(at: AtDialogue) -> None:
    """End every call; some modems ignore ATH for voice. Raises AtSilent or AtLost."""
    if not await at.tried("AT+CHUP"):
        await at.tried("ATH")


async def stored_slots(at: AtDialogue) -> list[int]:
    """Give the slots of the messages in the memory in use. Raises AtSilent or AtLost."""
    try:
        lines = await at.ask("AT+CMGL=4")
    except AtRefused:
        return []
    return [int(found[1]) for line in lines if (found := _LISTED.fullmatch(line))]


async def speak(at: AtDialogue, words: str) -> None:
    """Say as much in the call as the modem takes. Raises AtSilent or AtLost."""
    spoken = words[:MAX_SPOKEN_CHARS].encode("utf-16-be").hex().upper()
    await at.tried(f'AT+CTTS=1,"{spoken}"')


async def memories(at: AtDialogue) -> set[str]:
    """Give the memories that are read from and stored to, none when the modem does not say (27.005, 3.2.2).

    Raises AtSilent or AtLost.
    """
    try:
        lines = await at.ask("AT+CPMS?")
    except AtRefused:
        return set()
    found = [match for line in lines if (match := _MEMORIES.fullmatch(line))]
    return {memory for match in found for memory in match.groups() if memory}


def key_of(line: str) -> str | None:
    """Give the key an unasked line tells of, in SIMCom's or Quectel's words."""
    if found := _KEY.fullmatch(line):
        return found[1]
    if found := _TONE.fullmatch(line):
        return chr(int(found[1]) & 0x7F)
    return None


def stored_at(line: str) -> tuple[str, int] | None:
    """Give memory and slot when an unasked line says that a message was stored."""
    found = _STORED.fullmatch(line)
    return None if found is None else (found[1], int(found[2]))


def not_sent(error: AtRefused) -> CarrierError:
    """Read a `+CMS ERROR` (3GPP TS 27.005 clause 3.2.5); the network's time-out leaves the text unclear."""
    code = int("".join(filter(str.isdecimal, error.reason)) or 0)
    if code == NETWORK_TIMEOUT:
        return CarrierAmbiguous(str(error))
    return CarrierDown(str(error)) if code in NOT_SENT_NOW else CarrierRefused(str(error))


def sent_as(lines: tuple[str, ...]) -> int:
    """Give the message reference in the answer to `+CMGS`, whatever noise stands beside it.

    Raises ValueError when it is not there.
    """
    for line in lines:
        if found := _SENT.fullmatch(line):
            return int(found[1])
    raise ValueError("no message reference")


def in_words(error: AtError) -> str:
    """Say what is wrong so that the staff know what to do."""
    if isinstance(error, AtSilent):
        return f"the modem does not answer ({error.command})"
    if isinstance(error, AtLost):
        return f"the modem's port is gone, is it plugged in? ({error.reason})"
    if error.command in {"+CREG", "+CPIN"}:
        return _SIM_TROUBLES.get(error.reason, error.reason)
    return _SIM_TROUBLES.get(error.reason, str(error))


async def reset(at: AtDialogue) -> None:
    """Restart a modem that answers nothing at all (27.007 clause 8.2), which cuts a call if one stands.

    One that does not even take this raises AtSilent, and its port is closed with DTR down.
    """
    log.warning("the modem is restarted")
    at.drops_lines = True
    await at.tried("AT+CFUN=1,1", deadline_s=CHECK_DEADLINE_S)
    at.drops_lines = False
