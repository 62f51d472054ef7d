"""The sentences of a BeiDou short-message (RDSS) module, read and written. Pure.

`CC` is the host speaking to the module, `BD` the module speaking to the host; framed by `sos.beidou_frame`.

| generation | card | signal | send | told of it | received |
|---|---|---|---|---|---|
| BDS-2 ("2.1") | CCICA, BDICI | CCRMO,BSI, BDBSI | CCTXA | BDFKI,TXA | BDTXR |
| BDS-3 regional | CCICR, BDICP | CCRMO,PWI, BDPWI or BDSNR | CCTCQ | BDFKI,time,TCQ | BDTCI |

Makers copy these loosely: what differs from one to the next is read tolerantly, unknown names are `Other`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from sos.beidou_frame import SentenceError, build, split

Generation = Literal["bds2", "bds3"]
Coding = Literal["a4", "plain"]
"""How bytes are written in a message: hexadecimal behind the mark A4 of the mixed form, or without it."""

MIXED_MARK = 0xA4
NO_LEVEL, LEVEL_FOR_NONE = 0, 5
LEVEL_BYTES = MappingProxyType({1: 17, 2: 45, 3: 78, 4: 106, 5: 106})
"""What a card of this level sends at a time, the mark included; sources differ: it can be configured."""

_CARD_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_HEX_PAIRS = re.compile(rb"(?:[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """BDICI or BDICP: `rate_s` is the pause between two messages, `level` (1 to 5) limits their length."""

    generation: Generation
    number: str
    rate_s: int
    level: int

    @property
    def present(self) -> bool:
        """False for a module without a card: its number is all zeros."""
        return self.number.strip("0") != ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beams:
    """How strongly each beam is heard.

    `unit` is "power" (BSI: 0 to 4; 2 and more can send) or "dB-Hz" (PWI, SNR: carrier to noise density).
    """

    unit: Literal["power", "dB-Hz"]
    strengths: tuple[tuple[int, float], ...]

    @property
    def best(self) -> float:
        """The strongest beam; 0 where none is heard."""
        return max((strength for _, strength in self.strengths), default=0.0)


Obstacle = Literal["", "rate", "inhibited", "silence", "power", "no card", "no right", "checksum", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """BDFKI: whether the module carried `command` out; the flag rules, whatever the reason says.

    `obstacle` is why not, `wait_s` how long until the card may send again, as far as the module tells.
    """

    command: str
    done: bool
    obstacle: Obstacle = ""
    wait_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """BDTXR or BDTCI: a message from another card; `data` is the field as it came."""

    generation: Generation
    sender: str
    form: Literal["hanzi", "code", "mixed"]
    data: bytes

    @property
    def body(self) -> bytes:
        """The bytes that were sent: out of hexadecimal where it is that, and without the mark A4."""
        if _HEX_PAIRS.fullmatch(self.data):
            plain = bytes.fromhex(self.data.decode("ascii"))
        elif self.form == "mixed":
            plain = self.data.removeprefix(b"A4")
        else:
            plain = self.data
        if self.form != "hanzi" and plain[:1] == bytes([MIXED_MARK]):
            return plain[1:]
        return plain

    @property
    def text(self) -> str:
        """The message as words; GBK, what is no GBK shows as the replacement character."""
        return self.body.decode("gbk", errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """BDEPI: the receipt of an emergency request (CCEPQ); its fields differ from maker to maker."""

    fields: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A sentence that is whole, and none of the above."""

    name: str
    fields: tuple[bytes, ...]


Heard = Card | Beams | Feedback | Received | Emergency | Other


# --------------------------------------------------------------------------- reading


def parse(line: bytes) -> Heard:
    """Read one line. Raises SentenceError, and nothing else, for whatever it cannot be read as."""
    name, rest = split(line)
    fields = tuple(rest.split(b","))
    reader = _READERS.get(name)
    if reader is None:
        return Other(name=name, fields=fields)
    try:
        return reader(fields)
    except SentenceError:
        raise
    except (ValueError, IndexError):
        raise SentenceError("field unreadable", offset=len(name) + 1) from None


def _number(field: bytes) -> int:
    """Digits only: no sign, no space, no underscore. Raises ValueError."""
    if not field.isdigit() or len(field) > 9:  # noqa: PLR2004 - no number of these sentences is longer
        raise ValueError(field)
    return int(field)


def _card_number(field: bytes) -> str:
    text = field.decode("ascii")
    if not _CARD_NUMBER.fullmatch(text):
        raise ValueError(text)
    return text


def _card_2(fields: tuple[bytes, ...]) -> Card:
    """`id,serial,broadcast,type,rate,level,E|N,subusers`."""
    return _card("bds2", fields[0], rate=fields[4], level=fields[5])


def _card_3(fields: tuple[bytes, ...]) -> Card:
    """23 fields; 1 is the number, 14 the rate and 15 the level of the regional service."""
    return _card("bds3", fields[0], rate=fields[13], level=fields[14])


def _card(generation: Generation, number: bytes, *, rate: bytes, level: bytes) -> Card:
    said = _number(level)
    return Card(
        generation=generation,
        number=_card_number(number),
        rate_s=_number(rate),
        level=LEVEL_FOR_NONE if said == NO_LEVEL else said,
    )


def _beams_bsi(fields: tuple[bytes, ...]) -> Beams:
    """`response beam,time-difference beam,p1..p10`."""
    powers = enumerate(fields[2:], start=1)
    if len(fields) < 3:  # noqa: PLR2004 - two beams, then at least one power
        raise IndexError
    return Beams(unit="power", strengths=tuple((beam, float(_number(power))) for beam, power in powers))


def _beams_snr(fields: tuple[bytes, ...]) -> Beams:
    """One value a beam, 21 of them."""
    values = enumerate(fields, start=1)
    return Beams(unit="dB-Hz", strengths=tuple((beam, float(_number(value))) for beam, value in values))


def _beams_pwi(fields: tuple[bytes, ...]) -> Beams:
    """`time,n2,n2 groups,n3,n3 groups`; a group is the beam, its strength, and one to three numbers more."""
    _time(fields[0])
    second_count = _number(fields[1])
    rest = fields[2:]
    for width in range(2, 6) if second_count else (0,):
        cut = width * second_count
        third = rest[cut:]
        if not third:
            continue
        third_count = _number(third[0])
        third_width, uneven = divmod(len(third) - 1, third_count) if third_count else (2, len(third) > 1)
        if uneven or not 2 <= third_width <= 5:  # noqa: PLR2004 - as widths seen
            continue
        groups = [rest[at : at + 2] for at in range(0, cut, width or 1)]
        groups += [third[at : at + 2] for at in range(1, len(third), third_width)]
        strengths = tuple((_number(beam), float(_number(strength))) for beam, strength in groups)
        return Beams(unit="dB-Hz", strengths=strengths)
    raise SentenceError("beams unreadable", offset=len("$BDPWI,"))


def _time(field: bytes) -> None:
    """`hhmmss` or `hhmmss.ss`; only its shape is looked at: a module without time says zeros."""
    if not re.fullmatch(rb"[0-9]{6}(\.[0-9]+)?", field):
        raise ValueError(field)


_INHIBITS: dict[int, Obstacle] = {0: "", 1: "inhibited", 2: "power", 3: "silence"}
_REASONS: dict[int, Obstacle] = {
    0: "",
    1: "rate",
    2: "inhibited",
    3: "silence",
    4: "power",
    5: "no card",
    6: "no right",
    11: "checksum",
}


def _feedback(fields: tuple[bytes, ...]) -> Feedback:
    """BDS-2 `TXA,Y|N,Y|N,inhibit,mmss`, or BDS-3 `hhmmss,TCQ,Y|N,reason,seconds`."""
    if fields[0][:1].isdigit():
        _time(fields[0])
        command, flag, why = fields[1], fields[2], _REASONS.get(_number(fields[3]), "other")
        wait_s = _number(fields[4]) if len(fields) > 4 and fields[4] else 0  # noqa: PLR2004 - some leave it out
    else:
        command, flag, why = fields[0], fields[1], _INHIBITS.get(_number(fields[3]), "other")
        minutes, seconds = divmod(_number(fields[4]), 100)
        wait_s = 60 * minutes + seconds
        if not why and wait_s:
            why = "rate"
    if flag not in {b"Y", b"N"} or not command.isalnum():
        raise ValueError(flag)
    done = flag == b"Y"
    return Feedback(
        command=command.decode("ascii"), done=done, obstacle="" if done else why or "other", wait_s=wait_s
    )


def _received_2(fields: tuple[bytes, ...]) -> Received:
    """`kind,from,form,time,data`; form 0 hanzi, 1 code, 2 mixed; raw data may hold commas."""
    forms: dict[int, Literal["hanzi", "code", "mixed"]] = {0: "hanzi", 1: "code", 2: "mixed"}
    return Received(
        generation="bds2",
        sender=_card_number(fields[1]),
        form=_of(forms, fields[2]),
        data=b",".join(fields[4:]) if len(fields) > 4 else _missing(),  # noqa: PLR2004 - four before the data
    )


def _received_3(fields: tuple[bytes, ...]) -> Received:
    """`from,to,frequency,hhmmss,coding,?,data`; one maker has a field less, so the data is the last one."""
    forms: dict[int, Literal["hanzi", "code", "mixed"]] = {1: "hanzi", 2: "code", 3: "mixed"}
    return Received(
        generation="bds3",
        sender=_card_number(fields[0]),
        form=_of(forms, fields[4]),
        data=fields[-1] if len(fields) > 5 else _missing(),  # noqa: PLR2004 - five before the data
    )


def _missing() -> bytes:
    raise IndexError


def _of(
    forms: dict[int, Literal["hanzi", "code", "mixed"]], field: bytes
) -> Literal["hanzi", "code", "mixed"]:
    form = forms.get(_number(field))
    if form is None:
        raise SentenceError("form of message unknown")
    return form


_READERS: MappingProxyType[str, Callable[[tuple[bytes, ...]], Heard]] = MappingProxyType(
    {
        "BDICI": _card_2,
        "BDICP": _card_3,
        "BDBSI": _beams_bsi,
        "BDSNR": _beams_snr,
        "BDPWI": _beams_pwi,
        "BDFKI": _feedback,
        "BDTXR": _received_2,
        "BDTCI": _received_3,
        "BDEPI": lambda fields: Emergency(fields=fields),
    }
)

# --------------------------------------------------------------------------- writing


def ask_card(generation: Generation) -> bytes:
    """CCICA or CCICR: which card is in the module?"""
    return build("CCICA" if generation == "bds2" else "CCICR", "0", "00")


def ask_signal(generation: Generation, *, every_s: int = 0) -> bytes:
    """CCRMO: how strong are the beams? Once, or every so many seconds."""
    return build("CCRMO", "BSI" if generation == "bds2" else "PWI", "2", str(every_s))


def send(generation: Generation, to: str, body: bytes, *, frequency: int = 2, coding: Coding = "a4") -> bytes:
    """CCTXA or CCTCQ: send these bytes to a card, mixed form, in hexadecimal.

    `frequency` (BDS-3 only) is 1 to 5, for Lf0 to Lf4.
    Raises ValueError for a card number that is none.
    """
    if not _CARD_NUMBER.fullmatch(to):
        raise ValueError("a card number has 1 to 10 digits")
    if not 1 <= frequency <= 5:  # noqa: PLR2004 - Lf0 to Lf4
        raise ValueError("frequency is 1 to 5")
    data = bytes([MIXED_MARK] if coding == "a4" else []) + body
    if generation == "bds2":
        return build("CCTXA", to, "1", "2", data.hex().upper())
    return build("CCTCQ", to, str(frequency), "1", "3", data.hex().upper(), "0")


def sends(generation: Generation) -> str:
    """What the module calls the command to send in its feedback."""
    return "TXA" if generation == "bds2" else "TCQ"
