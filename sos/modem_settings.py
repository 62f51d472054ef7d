"""What `[carriers.gsm_modem]` may say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[carriers.gsm_modem]`: the port, and how patient to be; `pin` is the SIM's, if it asks for one."""

    path: str
    baud: int = 115200
    pin: str = ""
    poll_s: float = 0.5
    health_s: float = 30.0
    key_wait_s: float = 45.0
    line_wait_s: float = 3.0
    reopen_min_s: float = 1.0
    reopen_max_s: float = 30.0
