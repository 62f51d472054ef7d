"""One call through a modem, from dialling to its end; pure: times are passed in as monotonic seconds.

The modem is asked what stands on its line (`+CLCC`), and says unasked how a call ended and which keys came.
From that, `PhoneCall` says what became known of the leg, and what to do with the line.
"""

from __future__ import annotations

from dataclasses import dataclass

from sos.events import LegState

ACTIVE, DIALLING, ALERTING = 0, 2, 3
"""`+CLCC` states of a call we made (3GPP TS 27.007 clause 7.18)."""
CONNECT_ALLOWANCE_S = 20.0
"""How long the network may take until the other telephone rings."""
UNLISTED_S = 2.0
"""A call just dialled may take so long to be listed."""
AFTER_KEY_S = 4.0
"""The line is kept so long after the key, so that the person does not think it failed."""
BETWEEN_SPEECHES_S = 1.0
SPEECH_S_PER_CHAR = 0.35
"""How long the modem's voice takes at most; used when it does not say that it is done."""
ACKNOWLEDGE = "1"
CALL_BACK = "3"
TAKING = frozenset({ACKNOWLEDGE, CALL_BACK})
"""Keys after which the line is freed and the leg is confirmed; what they mean the cascade knows."""
UNKNOWN_SCRIPT = "这是守望求助电话,有人按下了求助,详情请看短信。请按1确认。"
"""Said in a call found again after a restart: its own words are not known any more."""


@dataclass(slots=True, kw_only=True)
class PhoneCall:
    """A call under way; `script` is said again and again until a key comes."""

    leg_id: str
    phone: str
    reference: str
    script: str
    ring_timeout_s: float
    key_wait_s: float
    dialled_at_s: float
    state: LegState = LegState.PLACED
    listed: bool = False
    ringing_at_s: float | None = None
    answered_at_s: float | None = None
    key_at_s: float | None = None
    key: str = ""
    speech_due_s: float = 0.0
    network_said: str = ""
    unwanted: bool = False

    def seen(self, line_state: int, now_s: float) -> LegState | None:
        """Take what `+CLCC` lists for this call; gives the leg's new state if it changed."""
        self.listed = True
        if line_state == ALERTING and self.state is LegState.PLACED:
            self.state, self.ringing_at_s = LegState.RINGING, now_s
            return self.state
        if line_state == ACTIVE and self.state in {LegState.PLACED, LegState.RINGING}:
            self.state, self.answered_at_s, self.speech_due_s = LegState.ANSWERED, now_s, now_s
            return self.state
        return None

    def pressed(self, digit: str, now_s: float) -> None:
        """Take a key; the first 1 stays, and a 3 unless a 1 comes after it."""
        if self.key not in TAKING or (self.key == CALL_BACK and digit == ACKNOWLEDGE):
            self.key, self.key_at_s = digit, now_s

    def over_unlisted(self, now_s: float) -> bool:
        """Whether "not listed" means the call is over, and not that it is only just being dialled."""
        return self.listed or bool(self.network_said) or now_s - self.dialled_at_s > UNLISTED_S

    def must_end(self, now_s: float) -> bool:
        """Whether it is time to hang up."""
        if self.unwanted:
            return True
        if self.key in TAKING and self.key_at_s is not None:
            return now_s - self.key_at_s > AFTER_KEY_S
        if self.answered_at_s is not None:
            return now_s - self.answered_at_s > self.key_wait_s
        if self.ringing_at_s is not None:
            return now_s - self.ringing_at_s > self.ring_timeout_s
        return now_s - self.dialled_at_s > CONNECT_ALLOWANCE_S + self.ring_timeout_s

    def must_speak(self, now_s: float) -> bool:
        """Whether the script is to be said now; reckons with the time that takes."""
        if self.state is not LegState.ANSWERED or self.key in TAKING or now_s < self.speech_due_s:
            return False
        self.speech_due_s = now_s + SPEECH_S_PER_CHAR * len(self.script) + BETWEEN_SPEECHES_S
        return True

    def spoken(self, now_s: float) -> None:
        """The modem says it has said it."""
        self.speech_due_s = now_s + BETWEEN_SPEECHES_S

    def end(self) -> LegState:
        """What the leg is now that the line is free again."""
        if self.key in TAKING:
            self.state = LegState.CONFIRMED
        elif self.unwanted:
            self.state = LegState.HUNG_UP
        elif self.answered_at_s is not None:
            self.state = LegState.NO_KEY
        elif self.network_said == "BUSY":
            self.state = LegState.BUSY
        elif self.ringing_at_s is not None or self.network_said == "NO ANSWER":
            self.state = LegState.NO_ANSWER
        else:
            self.state = LegState.FAILED
        return self.state
