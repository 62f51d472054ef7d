"""The network's side of short messages: what a service centre reads from and sends to a modem.

Parts of a long text are put together here, as a telephone does before it shows them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sos import pdu

_NO_MORE, _HEADER_INDICATOR = 0x04, 0x40
"""Bits of an SMS-DELIVER's first octet (3GPP TS 23.040 clause 9.2.2.1)."""
MAX_UNFINISHED = 100
"""Long texts whose parts have not all come; the oldest go first."""


class Telephones:
    """Joins parts; one for all telephones of the simulated network."""

    def __init__(self) -> None:
        self._unfinished: dict[tuple[str, int, int], dict[int, str]] = {}

    def take(self, part: pdu.Submit) -> str | None:
        """Give the whole text when this was its last missing part, else None."""
        if part.part is None:
            return part.text
        key = (part.to, part.part.reference, part.part.total)
        pieces = self._unfinished.setdefault(key, {})
        pieces[part.part.number] = part.text
        if len(pieces) < part.part.total:
            while len(self._unfinished) > MAX_UNFINISHED:
                del self._unfinished[next(iter(self._unfinished))]
            return None
        del self._unfinished[key]
        return "".join(pieces[number] for number in sorted(pieces))


def read_submit(tpdu: str, *, length: int) -> pdu.Submit:
    """Read what came after the `+CMGS` prompt; `length` counts octets after the service centre's.

    Raises ValueError when it is no SMS-SUBMIT of that length.
    """
    octets = bytes.fromhex(tpdu)
    if not octets or len(octets) - 1 - octets[0] != length:
        raise ValueError("the length is not that of the PDU")
    return pdu.decode_submit(tpdu)


def text_submit(number: str, text: str) -> pdu.Submit:
    """Give a text written in text mode the shape of one written as a PDU."""
    return pdu.Submit(to=number, text=text, reference=0, status_report=False, part=None)


def deliver(sender: str, text: str) -> tuple[str, int]:
    """Give the SMS-DELIVER of a short incoming text, and its length as `+CMGR` states it."""
    return delivers(sender, text, reference=0)[0]


def delivers(sender: str, text: str, *, reference: int) -> list[tuple[str, int]]:
    """Give the SMS-DELIVERs of an incoming text of any length, as our own encoder cuts it.

    `reference`, 0 to 255, joins the parts. Raises PduError when the text is too long for 255 parts.
    """
    return [_deliver(sender, data) for data in pdu.encode_text(text, reference=reference)]


def _deliver(sender: str, data: pdu.UserData) -> tuple[str, int]:
    first = pdu.MTI_DELIVER | _NO_MORE | (_HEADER_INDICATOR if data.header else 0)
    tpdu = bytes([first]) + pdu.encode_address(sender) + bytes([0, data.dcs])
    tpdu += pdu.encode_time(datetime.now(UTC)) + bytes([data.length]) + data.octets
    return "00" + tpdu.hex().upper(), len(tpdu)


def status_report(reference: int, recipient: str, *, status: int = 0) -> tuple[str, int]:
    """Give the SMS-STATUS-REPORT of a text, and its length as `+CDS` states it."""
    now = pdu.encode_time(datetime.now(UTC))
    tpdu = bytes([pdu.MTI_STATUS_REPORT | 4, reference]) + pdu.encode_address(recipient)
    tpdu += now + now + bytes([status])
    return "00" + tpdu.hex().upper(), len(tpdu)
