"""Sending every part of a text through a modem, and what an interruption leaves behind."""

from __future__ import annotations

from sos import pdu
from sos.at import AtDialogue, AtError, AtLost, AtRefused, AtSilent
from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierError
from sos.modem_line import not_sent, sent_as


class SendStopped(Exception):
    """A part was not certainly sent.

    `why` is what the carrier raises; `known` are the references of the parts before;
    `may_be_whole` when only the answer to the last part is in doubt; `line` when the dialogue is lost.
    """

    def __init__(
        self, why: CarrierError, *, known: list[int], may_be_whole: bool, line: AtError | None
    ) -> None:
        super().__init__(str(why))
        self.why = why
        self.known = known
        self.may_be_whole = may_be_whole
        self.line = line


async def send_parts(at: AtDialogue, parts: tuple[pdu.SubmitPdu, ...], *, deadline_s: float) -> list[int]:
    """Send one part after another and give their message references. Raises SendStopped."""
    known: list[int] = []
    for part in parts:
        try:
            lines = await at.ask(f"AT+CMGS={part.length}", payload=part.hex, deadline_s=deadline_s)
            known.append(sent_as(lines))
        except (AtError, ValueError) as error:
            why = _meaning(error, is_first=not known)
            unclear = isinstance(why, CarrierAmbiguous)
            line = error if isinstance(error, AtSilent | AtLost) else None
            raise SendStopped(
                why, known=known, may_be_whole=unclear and part is parts[-1], line=line
            ) from None
    return known


def _meaning(error: AtError | ValueError, *, is_first: bool) -> CarrierError:
    if isinstance(error, AtRefused):
        return not_sent(error)
    if isinstance(error, AtSilent | AtLost):
        if is_first and not error.written:
            return CarrierDown(str(error))
        return CarrierAmbiguous("the modem did not say whether the text was sent")
    return CarrierAmbiguous("the modem's answer to +CMGS was unreadable")
