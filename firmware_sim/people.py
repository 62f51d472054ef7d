"""The people behind the simulated telephones; one description for every simulated network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Answer = Literal["no_answer", "busy", "rejects", "voicemail", "answers", "presses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """How one telephone behaves.

    `answer`: "answers" picks up and presses nothing, "presses" picks up and presses `key`,
    "voicemail" is picked up by a machine, "rejects" ends the ringing at once.
    `after_s` is from the first ring to picking up, `key_after_s` from picking up to the key.
    `reply_text` is texted back `key_after_s` after every text that arrives (a "1" acknowledges).
    """

    phone: str
    name: str = ""
    answer: Answer = "no_answer"
    after_s: float = 3.0
    key: str = "1"
    key_after_s: float = 4.0
    reply_text: str | None = None
