"""The exceptions of the gateway, split by whose fault it is and what to do next.

ShouwangError
├── ConfigError      the installer's: every wrong key at once; the program exits 2
├── FrameError       the band's (or its radio's): the frame goes to quarantine, the stream goes on
└── NeedsHuman       ours: cannot mend itself; health turns red and says what to do
    └── JournalDamaged   the journal's file fails its own checks

A client library's exceptions never leave the module that owns the library.
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 32


class ShouwangError(Exception):
    """Root of everything this program raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong key of the configuration: its dotted path, what stands there, what was expected."""

    path: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path} = {self.value}: expected {self.expected}"


class ConfigError(ShouwangError):
    """The configuration is wrong; `problems` lists every wrong key, never only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class FrameError(ShouwangError):
    """Bytes that are no frame of their protocol.

    `reason` is a short constant phrase (it becomes a metric label, so no data in it),
    `offset` the byte inside the frame where decoding stopped,
    `raw` the whole offending frame as received.
    """

    def __init__(self, reason: str, *, offset: int = 0, raw: bytes = b"") -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.reason = reason
        self.offset = offset
        self.raw = raw

    @property
    def head(self) -> bytes:
        """The first bytes of the frame, enough for a person to recognise it."""
        return self.raw[:HEAD_BYTES]


class NeedsHuman(ShouwangError):
    """Failed for a reason only a person can remove; the message says which and how."""


class JournalDamaged(NeedsHuman):
    """The journal's file is not what was written to it."""
