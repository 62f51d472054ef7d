"""Short messages as a modem sends and receives them; pure.

Sources: 3GPP TS 23.040 (formerly GSM 03.40) for the PDUs, TS 23.038 for the alphabets.
A text goes out in the 7-bit default alphabet when every character is in it, else in UCS-2.
What is too long goes out in parts joined by the 8-bit concatenation element (IEI 00);
neither an escaped 7-bit character nor a UTF-16 surrogate pair is ever split between two parts.
Not handled: compression, ports, enhanced messaging; such user data is given as the text it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Literal

Alphabet = Literal["gsm7", "8bit", "ucs2"]

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""TS 23.038 clause 6.2.1; the place of a character is its code."""
EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
"""TS 23.038 clause 6.2.1.1; reached by the escape code."""
ESCAPE = 0x1B
_SEPTETS = {char: (code,) for code, char in enumerate(BASIC) if code != ESCAPE} | {
    char: (ESCAPE, code) for code, char in EXTENSION.items()
}

DCS_GSM7 = 0x00
DCS_UCS2 = 0x08
MAX_USER_DATA_BYTES = 140
CONCATENATION_BYTES = 6
"""The header of a part: its length, IEI 00, 3, reference, total, number."""
MAX_PARTS = 255

MTI_DELIVER, MTI_SUBMIT, MTI_STATUS_REPORT = 0, 1, 2
_STATUS_REPORT_REQUEST = 0x20
_HEADER_INDICATOR = 0x40
_INTERNATIONAL, _NATIONAL = 0x91, 0x81
_TYPE_MASK, _TYPE_INTERNATIONAL, _TYPE_ALPHANUMERIC = 0x70, 0x10, 0x50


class PduError(ValueError):
    """Not a PDU of this kind, or a text that no number of parts can carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which piece of a longer text: `number` of `total`, joined by `reference`."""

    reference: int
    total: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserData:
    """The text of one PDU on the wire: coding scheme, length field and octets (header included)."""

    dcs: int
    length: int
    octets: bytes
    header: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitPdu:
    """One PDU to hand to `+CMGS`: `length` counts the octets after the service-centre field."""

    hex: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """SMS-SUBMIT (clause 9.2.2.2): a text on its way out."""

    to: str
    text: str
    reference: int
    status_report: bool
    part: Part | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """SMS-DELIVER (clause 9.2.2.1): a text that came in; `at` is the service centre's time."""

    sender: str
    text: str
    at: datetime | None
    part: Part | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """SMS-STATUS-REPORT (clause 9.2.2.3): what became of the text with this message reference."""

    reference: int
    recipient: str
    status: int
    at: datetime | None

    @property
    def delivered(self) -> bool:
        """The text reached the telephone (TP-ST 00 to 1F, clause 9.2.3.15)."""
        return self.status < 0x20  # noqa: PLR2004  the clause's own bound

    @property
    def final(self) -> bool:
        """The service centre is not trying any more (bit 5 alone means it still is)."""
        return self.status & 0x60 != 0x20  # noqa: PLR2004  the clause's own bits


# --------------------------------------------------------------------------- writing


def encode_submit(
    to: str, text: str, *, reference: int = 0, status_report: bool = True
) -> tuple[SubmitPdu, ...]:
    """Give the PDUs that send `text` to `to` (E.164 with "+", or a national number).

    `reference`, 0 to 255, is the message reference and joins the parts of a long text.
    The service centre is the SIM's own, and no validity period is set: the network's longest applies.
    Raises PduError when the text needs more than 255 parts or `to` is no number.
    """
    pieces = encode_text(text, reference=reference)
    return tuple(_submit(to, piece, reference=reference, status_report=status_report) for piece in pieces)


def _submit(to: str, piece: UserData, *, reference: int, status_report: bool) -> SubmitPdu:
    first = MTI_SUBMIT
    first |= _STATUS_REPORT_REQUEST if status_report else 0
    first |= _HEADER_INDICATOR if piece.header else 0
    tpdu = bytes((first, reference & 0xFF)) + encode_address(to) + bytes((0, piece.dcs, piece.length))
    tpdu += piece.octets
    return SubmitPdu(hex="00" + tpdu.hex().upper(), length=len(tpdu))


def encode_text(text: str, *, reference: int) -> tuple[UserData, ...]:
    """Give the user data of the one or more PDUs that carry `text`; an empty text is one PDU."""
    units: list[tuple[int, ...]]
    if all(char in _SEPTETS for char in text):
        units = [_SEPTETS[char] for char in text]
        return _pieces(units, reference=reference, alphabet="gsm7", whole=160, piece=153)
    units = [tuple(char.encode("utf-16-be", "replace")) for char in text]
    piece = MAX_USER_DATA_BYTES - CONCATENATION_BYTES
    return _pieces(units, reference=reference, alphabet="ucs2", whole=MAX_USER_DATA_BYTES, piece=piece)


def _pieces(
    units: list[tuple[int, ...]], *, reference: int, alphabet: Alphabet, whole: int, piece: int
) -> tuple[UserData, ...]:
    """Cut between characters only; `whole` and `piece` are the room in septets or octets."""
    if sum(map(len, units)) <= whole:
        return (_user_data([code for unit in units for code in unit], b"", alphabet),)
    cuts, used = [0], 0
    for index, unit in enumerate(units):
        if used + len(unit) > piece:
            cuts.append(index)
            used = 0
        used += len(unit)
    cuts.append(len(units))
    total = len(cuts) - 1
    if total > MAX_PARTS:
        raise PduError(f"{total} parts, at most {MAX_PARTS} can be joined")
    out = []
    for number, (start, end) in enumerate(pairwise(cuts), 1):
        header = bytes((CONCATENATION_BYTES - 1, 0, 3, reference & 0xFF, total, number))
        out.append(_user_data([code for unit in units[start:end] for code in unit], header, alphabet))
    return tuple(out)


def _user_data(codes: list[int], header: bytes, alphabet: Alphabet) -> UserData:
    if alphabet == "ucs2":
        octets = header + bytes(codes)
        return UserData(dcs=DCS_UCS2, length=len(octets), octets=octets, header=bool(header))
    skip = _header_septets(header)
    packed = int.from_bytes(header, "little")
    for place, code in enumerate(codes, skip):
        packed |= code << (7 * place)
    length = skip + len(codes)
    octets = packed.to_bytes((7 * length + 7) // 8, "little")
    return UserData(dcs=DCS_GSM7, length=length, octets=octets, header=bool(header))


def _header_septets(header: bytes) -> int:
    """The header is padded to a septet boundary (clause 9.2.3.24)."""
    return (8 * len(header) + 6) // 7


def encode_address(number: str) -> bytes:
    """Length in digits, type of number, swapped semi-octets (clause 9.1.2.5)."""
    digits = number.removeprefix("+")
    if not digits.isdecimal() or not digits.isascii():
        raise PduError("an address has only digits, with a + before them or not")
    kind = _INTERNATIONAL if number.startswith("+") else _NATIONAL
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[place + 1] + padded[place] for place in range(0, len(padded), 2))
    return bytes((len(digits), kind)) + bytes.fromhex(swapped)


def encode_time(at: datetime) -> bytes:
    """Seven swapped semi-octets, in UTC (clause 9.2.3.11)."""
    digits = at.astimezone(UTC).strftime("%y%m%d%H%M%S") + "00"
    return bytes.fromhex("".join(digits[place + 1] + digits[place] for place in range(0, 14, 2)))


# --------------------------------------------------------------------------- reading


class _Octets:
    """A PDU being read from the left."""

    def __init__(self, pdu_hex: str) -> None:
        try:
            self._bytes = bytes.fromhex(pdu_hex.strip())
        except ValueError:
            raise PduError("not hexadecimal") from None
        self._place = 0

    def take(self, count: int) -> bytes:
        taken = self._bytes[self._place : self._place + count]
        if len(taken) != count:
            raise PduError(f"ends {count - len(taken)} octets early")
        self._place += count
        return taken

    def octet(self) -> int:
        return self.take(1)[0]

    def service_centre(self) -> None:
        self.take(self.octet())

    def address(self) -> str:
        digits, kind = self.octet(), self.octet()
        body = self.take((digits + 1) // 2)
        if kind & _TYPE_MASK == _TYPE_ALPHANUMERIC:
            return _read_septets(body, count=digits * 4 // 7, skip=0)
        number = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in body)[:digits]
        number = number.translate(str.maketrans("abc", "*#a"))
        return "+" + number if kind & _TYPE_MASK == _TYPE_INTERNATIONAL else number

    def time(self) -> datetime | None:
        raw = self.take(7)
        digits = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in raw[:6])
        zone = raw[6]
        quarters = (zone & 7) * 10 + (zone >> 4)
        offset = timezone(timedelta(minutes=15 * quarters) * (-1 if zone & 8 else 1))
        try:
            local = datetime.strptime(digits, "%y%m%d%H%M%S").replace(tzinfo=offset)
        except ValueError:
            return None
        return local.astimezone(UTC)

    def text(self, dcs: int, *, header: bool) -> tuple[str, Part | None]:
        length = self.octet()
        alphabet = _alphabet(dcs)
        octets = self.take((7 * length + 7) // 8 if alphabet == "gsm7" else length)
        head = octets[: octets[0] + 1] if header and octets else b""
        part = _part(head[1:])
        if alphabet == "gsm7":
            skip = _header_septets(head)
            return _read_septets(octets, count=max(length - skip, 0), skip=skip), part
        body = octets[len(head) :]
        return body.decode("utf-16-be" if alphabet == "ucs2" else "latin-1", "replace"), part


def _alphabet(dcs: int) -> Alphabet:
    """TS 23.038 clause 4."""
    group = dcs >> 4
    if group < 0x8:  # noqa: PLR2004  the clause's own groups
        return ("gsm7", "8bit", "ucs2", "gsm7")[dcs >> 2 & 3]
    if group == 0xF:  # noqa: PLR2004  the clause's own groups
        return "8bit" if dcs & 4 else "gsm7"
    return "ucs2" if group == 0xE else "gsm7"  # noqa: PLR2004  the clause's own groups


def _part(elements: bytes) -> Part | None:
    """Look for a concatenation element, with an 8-bit (00) or 16-bit (08) reference."""
    place = 0
    while place + 2 <= len(elements):
        kind, size = elements[place], elements[place + 1]
        body = elements[place + 2 : place + 2 + size]
        if kind in {0, 8} and len(body) == (3 if kind == 0 else 4):
            return Part(reference=int.from_bytes(body[:-2]), total=body[-2], number=body[-1])
        place += 2 + size
    return None


def _read_septets(octets: bytes, *, count: int, skip: int) -> str:
    packed = int.from_bytes(octets, "little") >> (7 * skip)
    chars: list[str] = []
    escaped = False
    for place in range(count):
        code = packed >> (7 * place) & 0x7F
        if escaped:
            chars.append(EXTENSION.get(code, BASIC[code]))
            escaped = False
        elif code == ESCAPE:
            escaped = True
        else:
            chars.append(BASIC[code])
    return "".join(chars)


def decode_submit(pdu_hex: str) -> Submit:
    """Read what a client handed to `+CMGS`. Raises PduError."""
    octets = _Octets(pdu_hex)
    octets.service_centre()
    first = octets.octet()
    if first & 3 != MTI_SUBMIT:
        raise PduError("not an SMS-SUBMIT")
    reference = octets.octet()
    to = octets.address()
    octets.octet()  # protocol identifier: none of them changes the text
    dcs = octets.octet()
    octets.take((0, 7, 1, 7)[first >> 3 & 3])  # the validity period stands between scheme and length
    text, part = octets.text(dcs, header=bool(first & _HEADER_INDICATOR))
    return Submit(
        to=to, text=text, reference=reference, status_report=bool(first & _STATUS_REPORT_REQUEST), part=part
    )


def decode_incoming(pdu_hex: str) -> Deliver | StatusReport:
    """Read what the modem gives by `+CMGR`, `+CMGL`, `+CMT` or `+CDS`. Raises PduError."""
    octets = _Octets(pdu_hex)
    octets.service_centre()
    first = octets.octet()
    if first & 3 == MTI_STATUS_REPORT:
        reference = octets.octet()
        recipient = octets.address()
        octets.time()
        return StatusReport(reference=reference, recipient=recipient, at=octets.time(), status=octets.octet())
    if first & 3 != MTI_DELIVER:
        raise PduError("neither an SMS-DELIVER nor an SMS-STATUS-REPORT")
    sender = octets.address()
    octets.octet()
    dcs = octets.octet()
    at = octets.time()
    text, part = octets.text(dcs, header=bool(first & _HEADER_INDICATOR))
    return Deliver(sender=sender, text=text, at=at, part=part)
