"""What a simulated BeiDou module says, in the sentences of either generation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from sos.beidou_frame import build
from sos.beidou_sentence import LEVEL_BYTES, MIXED_MARK, Generation

_INHIBITS = MappingProxyType({"inhibited": 1, "power": 2, "silence": 3})
_REASONS = MappingProxyType(
    {"rate": 1, "inhibited": 2, "silence": 3, "power": 4, "no card": 5, "no right": 6, "checksum": 11}
)
_OTHER_REASON = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The sentences of one module with one card."""

    generation: Generation
    card: str
    period_s: float
    level: int

    @property
    def card_question(self) -> str:
        """The sentence that asks for the card."""
        return "CCICA" if self.generation == "bds2" else "CCICR"

    @property
    def signal_question(self) -> str:
        """The first field of the CCRMO that asks for the beams."""
        return "BSI" if self.generation == "bds2" else "PWI"

    @property
    def send_order(self) -> str:
        """The sentence that orders to send."""
        return "CCTXA" if self.generation == "bds2" else "CCTCQ"

    @property
    def room_bytes(self) -> int:
        """What the card sends at a time."""
        return LEVEL_BYTES[self.level]

    def here_is_the_card(self, *, present: bool) -> bytes:
        """BDICI, or BDICP with its 23 fields."""
        number = self.card.zfill(7) if present else "0000000"
        rate, level = (str(math.ceil(self.period_s)), str(self.level)) if present else ("0", "0")
        if self.generation == "bds2":
            return build("BDICI", number, number.zfill(8), "0000011", "6", rate, level, "N", "0")
        fields = ["0", "0", "3", "0", "N", "2", "N", "1", "0", "0", "3", "1"]
        tail = ["0", "0", "1", "1", "21", "0", "0", "0"]
        return build("BDICP", number, *fields, rate, level, *tail)

    def beams(self, *, weak: bool) -> bytes:
        """BDBSI, or BDPWI with three beams."""
        if self.generation == "bds2":
            return build("BDBSI", "03", "05", *("1000000000" if weak else "1030400200"))
        strengths = ("28", "31", "25") if weak else ("41", "50", "44")
        groups = [field for beam, q in zip("369", strengths, strict=True) for field in (beam, q, "40", "0")]
        return build("BDPWI", f"{datetime.now(UTC):%H%M%S}.00", "00", "03", *groups)

    def feedback(self, why: str, wait_s: float) -> bytes:
        """BDFKI of an order to send; `why` empty when it was carried out."""
        flag, wait = ("N", math.ceil(wait_s)) if why else ("Y", 0)
        if self.generation == "bds2":
            told = f"{wait // 60:02}{wait % 60:02}"
            return build("BDFKI", "TXA", flag, "Y", str(_INHIBITS.get(why, 0)), told)
        reason = _REASONS.get(why, _OTHER_REASON) if why else 0
        return build("BDFKI", f"{datetime.now(UTC):%H%M%S}", "TCQ", flag, str(reason), str(wait))

    def ordered(self, fields: list[str]) -> tuple[str, bytes]:
        """Whom to send what: hexadecimal of CCTXA or CCTCQ. Text that is no hexadecimal is sent as it is."""
        data = fields[3] if self.generation == "bds2" else fields[4]
        try:
            return fields[0], bytes.fromhex(data)
        except ValueError:
            return fields[0], data.encode("latin-1")

    def received(self, sender: str, body: bytes) -> bytes:
        """BDTXR or BDTCI of a message of the mixed form."""
        data = (bytes([MIXED_MARK]) + body).hex().upper()
        if self.generation == "bds2":
            return build("BDTXR", "1", sender.zfill(7), "2", "", data)
        return build(
            "BDTCI", sender.zfill(7), self.card.zfill(7), "2", f"{datetime.now(UTC):%H%M%S}", "3", "0", data
        )
