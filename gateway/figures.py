"""The figures a gateway tells of itself: how full, how far behind, how old, and what keeps its time.

Everything here is measured where it stands: the files, the kernel, the certificates, the modem's own words.
`Figures.measure` reads the disk and is called in a thread.
"""

from __future__ import annotations

import ctypes
import logging
import shutil
from collections.abc import Callable, Iterable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from gateway.config import Settings
from gateway.journal.records import from_ms
from gateway.told_health import Certificate, GatewayFigures, Modem

MEGABYTE: Final = 1_000_000
TIMEX_BYTES: Final = 512
"""More than `struct timex` of any Linux (adjtimex(2))."""
TIME_ERROR: Final = 5
"""What adjtimex(2) gives while no time service keeps the clock (STA_UNSYNC)."""

log = logging.getLogger(__name__)


class Reader(Protocol):
    """What is asked of the journal's reader."""

    def first_after(self, seq: int) -> int | None:
        """When the first event above a seq was received, in ms; None when there is none."""
        ...

    def last_seq(self) -> int:
        """The highest seq."""
        ...

    def quarantine_size(self) -> int:
        """How many frames are in the quarantine."""
        ...


class Figures:
    """Measures; `through_seq` gives how far the portal is, None where there is no portal."""

    def __init__(
        self,
        *,
        settings: Settings,
        path: Path,
        reader: Reader,
        through_seq: Callable[[], int | None],
        carriers: Iterable[Any],
        started_at: datetime,
    ) -> None:
        self._settings = settings
        self._path = path
        self._reader = reader
        self._through_seq = through_seq
        self._carriers = tuple(carriers)
        self._started_at = started_at

    def measure(self) -> GatewayFigures:
        """The figures as they are now; what cannot be measured is left out."""
        oldest_ms = self._reader.first_after(0)
        through = self._through_seq()
        behind = 0 if through is None else max(self._reader.last_seq() - through, 0)
        waits_ms = self._reader.first_after(through) if behind and through is not None else None
        return GatewayFigures(
            version=_version(),
            started_at=self._started_at,
            journal_mb=_size_mb(self._path),
            journal_oldest=None if oldest_ms is None else from_ms(oldest_ms),
            disk_free_mb=_free_mb(self._path),
            unsent_events=behind,
            unsent_since=None if waits_ms is None else from_ms(waits_ms),
            quarantined=self._reader.quarantine_size(),
            clock=clock_state(),
            modem=self._modem(),
            certificates=tuple(certificates(self._settings)),
        )

    def _modem(self) -> Modem | None:
        """What the first carrier with a network of its own says of it."""
        networks = (getattr(one, "network", None) for one in self._carriers)
        found = next((network for network in networks if network is not None), None)
        return None if found is None else Modem(operator=found.operator, signal_dbm=found.signal_dbm)


def _version() -> str:
    try:
        return version("shouwang")
    except PackageNotFoundError:  # run from a folder that was never installed
        return ""


def _size_mb(path: Path) -> float:
    """The journal with its companion, in MB of 10^6 bytes."""
    sizes = (one.stat().st_size for one in (path, path.with_name(path.name + "-wal")) if one.exists())
    return round(sum(sizes) / MEGABYTE, 1)


def _free_mb(path: Path) -> float | None:
    try:
        return round(shutil.disk_usage(path.parent).free / MEGABYTE)
    except OSError:
        return None


def clock_state() -> Literal["synchronised", "free", "unknown"]:
    """Whether a time service keeps the system's clock: adjtimex(2) with nothing to adjust."""
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return "unknown"
    state = call(ctypes.create_string_buffer(TIMEX_BYTES))
    return "unknown" if state < 0 else "free" if state == TIME_ERROR else "synchronised"


def certificates(settings: Settings) -> Iterable[Certificate]:
    """The certificates that bands are shown, and when each ends; one that cannot be read is logged."""
    for name, table in settings.transports.items():
        for owner in (getattr(table, "tls", None), getattr(table, "mosquitto", None)):
            path = getattr(owner, "certificate", "")
            if path and (ends_at := _ends_at(Path(path))) is not None:
                yield Certificate(listener=name, ends_at=ends_at)


def _ends_at(path: Path) -> datetime | None:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415  # 0.1 s, only with TLS

    try:
        return min(one.not_valid_after_utc for one in load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        log.warning("the certificate %s cannot be read: %s", path, error)
        return None
