"""What can go wrong with the simulated modem."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class ModemFaults:
    """What goes wrong: states that last while true, and `armed` faults that each strike once.

    armed: "no_prompt" (the `>` never comes), "lost_answer" (the text goes out, its `+CMGS` answer is lost),
    "text_error" (`+CMS ERROR: 500`), "no_report" (no delivery report), "undelivered" (a report of failure),
    "lost_dial_answer" (the call is made, nothing answers the command).
    "noise" (garbage beside the answer to a text), "noisy_read" (the same beside a stored text),
    "garbled_read" (an octet of a stored text is lost on the line), "no_delete" (a stored text stays),
    "lost_notice" (no `+CMTI` for a text that came in),
    "swallowed" (a text is neither sent nor answered, as when the network is lost under it).
    `signal` is 0 to 31 as `+CSQ` tells it, 99 when unknown.
    `reset_helps` lets `AT+CFUN=1,1` end a hang.
    `pin` is what the SIM asks for, until it was given.
    """

    no_sim: bool = False
    no_network: bool = False
    hang: bool = False
    reset_helps: bool = False
    denied: bool = False
    signal: int = 21
    no_speech: bool = False
    pin: str = ""
    armed: list[str] = field(default_factory=list)

    def strikes(self, fault: str) -> bool:
        """Whether this fault is next; it is used up."""
        if self.armed and self.armed[0] == fault:
            self.armed.pop(0)
            return True
        return False
