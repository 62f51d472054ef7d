"""The OSCORE contexts of the bands (RFC 8613), and the one file that lets no nonce be used twice.

A band's key id is its sender id, `SERVER_ID` is ours; AES-CCM-16-64-128 and HKDF-SHA-256, no salt, no id
context. A context is made from the band's secret when it first speaks; no secret is kept here.

What must outlive us is in `<data_dir>/oscore/<gateway>.json`, written only at start, at a clean stop,
and once in `STRIDE` messages that any one band is sent under a number of ours:

- `next`: no band was ever sent this number or a higher one (RFC 8613 B.1.1).
  The count also never begins below the milliseconds since 2026, so that not even a lost or restored file
  makes a nonce come twice; a lost file and a clock before 2026 together make OSCORE wait for the clock.
- `windows`: the numbers heard from each band, of a clean stop. They are taken out of the file before the
  first request is believed, so after `kill -9` there are none. A band without a window is asked to prove that
  its request is fresh, by Echo (RFC 8613 B.1.2, RFC 9175); a recorded datagram cannot.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiocoap import oscore

SERVER_ID = b"gw"
STRIDE = 4096
MAX_CONTEXTS = 20_000
EPOCH_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: 2^40 milliseconds from there last until 2060."""
RETRY_S = 5.0

log = logging.getLogger(__name__)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers heard from a band whose secret has this digest: `seen` is a bit mask from `index` on."""

    digest: str
    index: int
    seen: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The file; `windows` by key id in hex."""

    next: int
    windows: dict[str, Window] = {}


class BandContext(
    oscore.CanProtect,  # type: ignore[misc]  # aiocoap has no types
    oscore.CanUnprotect,  # type: ignore[misc]
    oscore.SecurityContextUtils,  # type: ignore[misc]
):
    """What we and one band share.

    `reserve(number)` makes sure, on disk, that no later run uses a number below `number` again.
    """

    alg_aead = oscore.algorithms["AES-CCM-16-64-128"]
    hashfun = oscore.hashfunctions["sha256"]
    id_context = None
    sender_id = SERVER_ID

    def __init__(
        self, device: str, key_id: bytes, secret: bytes, *, first: int, reserve: Callable[[int], None]
    ) -> None:
        self.device = device
        self.recipient_id = key_id
        self.digest = digest(secret)
        self.sender_sequence_number = first
        self.echo_recovery = secrets.token_bytes(8)
        self.recipient_replay_window = oscore.ReplayWindow(oscore.DEFAULT_WINDOWSIZE, lambda: None)
        self._reserve = reserve
        self.derive_keys(b"", secret)

    def post_seqnoincrease(self) -> None:
        """Reserve the number just taken."""
        self._reserve(self.sender_sequence_number)

    @property
    def window(self) -> Window | None:
        """The numbers heard, None while the band has not proved to be fresh."""
        replay = self.recipient_replay_window
        if not replay.is_initialized():
            return None
        kept = replay.persist()
        return Window(digest=self.digest, index=kept["index"], seen=kept["bitfield"])

    def resume(self, window: Window | None) -> None:
        """Go on from a window that was kept for this very secret."""
        if window is not None and window.digest == self.digest:
            self.recipient_replay_window.initialize_from_persisted(
                {"index": window.index, "bitfield": window.seen}
            )


class Contexts:
    """All of them, by key id; `find` asks for the device and secret of a key id and knows no stranger."""

    def __init__(
        self,
        path: Path,
        find: Callable[[bytes], tuple[str, bytes] | None],
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._find = find
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._live: OrderedDict[bytes, BandContext] = OrderedDict()
        self._windows: dict[str, Window] = {}
        self._first = 0
        self._reserved = 0
        self._highest = 0
        self._tried_at: float | None = None
        self.writes = 0

    def known(self, key_id: bytes) -> bool:
        """Whether a band has this key id."""
        return self._find(key_id) is not None

    def open(self) -> bool:
        """Take over what the last run left; False while that cannot be done safely (tried again).

        Nothing may be believed or sent before this was true once.
        """
        if self._reserved:
            return True
        if self._tried_at is not None and self._monotonic() - self._tried_at < RETRY_S:
            return False
        self._tried_at = self._monotonic()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            left = _read(self._path)
            if left is None and self._now_ms() < EPOCH_MS:
                log.error("OSCORE waits: its numbers are not there, and the clock says it is before 2026")
                return False
            left = left or State(next=0)
            first = max(left.next, self._now_ms() - EPOCH_MS, 0)
            self._write(State(next=first + STRIDE))
        except OSError as error:
            log.error("OSCORE waits, its numbers cannot be kept: %s", error)  # noqa: TRY400 - a line is enough
            return False
        self._windows = dict(left.windows)
        self._first, self._highest, self._reserved = first, first, first + STRIDE
        return True

    def get(self, key_id: bytes) -> BandContext | None:
        """The context of a key id as its key is now; None for a stranger. `open` must have been true."""
        found = self._find(key_id)
        context = self._live.get(key_id)
        if context is not None and (found is None or (context.device, context.digest) != _named(*found)):
            self._put_away(key_id, self._live.pop(key_id))
            context = None
        if found is None:
            return None
        if context is None:
            device, secret = found
            context = BandContext(device, key_id, secret, first=self._first, reserve=self._reserve)
            context.resume(self._windows.pop(key_id.hex(), None))
            self._live[key_id] = context
            if len(self._live) > MAX_CONTEXTS:
                self._put_away(*self._live.popitem(last=False))
        self._live.move_to_end(key_id)
        return context

    def close(self) -> None:
        """Keep the windows for the next run; without it every band is asked to prove that it is fresh."""
        if not self._reserved:
            return
        for key_id, context in self._live.items():
            self._put_away(key_id, context)
        self._live.clear()
        known = {key: window for key, window in self._windows.items() if self._find(bytes.fromhex(key))}
        try:
            self._write(State(next=self._highest, windows=known))
        except OSError as error:
            log.warning("bands will be asked for an Echo: %s", error)

    def _put_away(self, key_id: bytes, context: BandContext) -> None:
        window = context.window
        if window is not None:
            self._windows[key_id.hex()] = window
        self._first = max(self._first, context.sender_sequence_number)

    def _reserve(self, number: int) -> None:
        if number > self._reserved:
            try:
                self._write(State(next=number + STRIDE))
            except OSError as error:
                raise oscore.ContextUnavailable(f"no number may be used: {error}") from error
            self._reserved = number + STRIDE
        self._highest = max(self._highest, number)

    def _write(self, state: State) -> None:
        """Replace the file; on the disk when this returns. Raises OSError."""
        self.writes += 1
        beside = self._path.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _named(device: str, secret: bytes) -> tuple[str, str]:
    return device, digest(secret)


def digest(secret: bytes) -> str:
    """What tells one secret from another without telling it."""
    return hashlib.sha256(b"shouwang oscore digest " + secret).hexdigest()[:16]


def _read(path: Path) -> State | None:
    """What the last run left; None where nothing can be read, and only the clock keeps numbers apart."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        log.warning("%s is not understood, bands will be asked for an Echo: %s", path, error)
        return None
