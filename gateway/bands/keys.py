"""A band's key, and what each wire needs of it. Pure.

The key itself is shown once, when it is made; kept are only these derivations, each of use on one wire alone:

- `verifier`, to check a password (MQTT, plain CoAP): PBKDF2-HMAC-SHA-512 as Mosquitto's password file
  has it (`$7$iterations$salt$hash`), so that one line serves our listener and Mosquitto;
- `oscore_secret`, the master secret of OSCORE (RFC 8613, 3.2.1): HKDF-SHA-256 (RFC 5869);
- `login_code`, the authentication code of JT/T 808 (0x8100, 0x0102): the same, in hex.

Keys have 256 random bits, so the number of iterations guards nothing and is Mosquitto's own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

ITERATIONS = 101
SALT_BYTES = 12
KEY_BYTES = 32
OSCORE_BYTES = 16
LOGIN_CODE_BYTES = 10
KEY_ID_BYTES = 7
"""The longest OSCORE key id an AES-CCM-16-64-128 nonce holds (RFC 8613, 3.2)."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What is kept of one key; all empty for a wire without a login. Never shown in a log."""

    verifier: str = field(default="", repr=False)
    oscore_secret: bytes = field(default=b"", repr=False)
    login_code: str = field(default="", repr=False)

    def fits(self, secret: bytes) -> bool:
        """Whether this is the key; takes the same time for every wrong one."""
        _, kind, iterations, salt, digest = self.verifier.split("$") if self.verifier else NOBODY
        if kind != "7" or not iterations.isdigit():
            return False
        wanted = base64.b64decode(digest)
        made = hashlib.pbkdf2_hmac("sha512", secret, base64.b64decode(salt), int(iterations), len(wanted))
        return hmac.compare_digest(made, wanted) and bool(self.verifier)


NOBODY = ("", "7", str(ITERATIONS), base64.b64encode(bytes(SALT_BYTES)).decode(), "AA" * 43 + "==")
"""A verifier no key fits, so that an unknown device takes as long as a known one."""


def new_key() -> str:
    """A new random key, 43 characters of URL-safe base64."""
    return secrets.token_urlsafe(KEY_BYTES)


def derive(key: str, *, salt: bytes | None = None) -> Keys:
    """What is kept of a key; nothing of an empty one. `salt` is random unless given."""
    if not key:
        return Keys()
    return Keys(
        verifier=verifier(key, salt if salt is not None else secrets.token_bytes(SALT_BYTES)),
        oscore_secret=expand(key, b"shouwang oscore", OSCORE_BYTES),
        login_code=expand(key, b"shouwang jt808", LOGIN_CODE_BYTES).hex(),
    )


def verifier(key: str, salt: bytes) -> str:
    """One line's worth of a Mosquitto password file, without the name."""
    digest = hashlib.pbkdf2_hmac("sha512", key.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def expand(key: str, purpose: bytes, length: int) -> bytes:
    """HKDF-SHA-256 (RFC 5869) without a salt, one block: `length` at most 32 bytes."""
    extracted = hmac.digest(bytes(32), key.encode(), "sha256")
    return hmac.digest(extracted, purpose + b"\x01", "sha256")[:length]


def key_id(wire_id: str) -> bytes:
    """The OSCORE key id (the band's sender id) of a wire id: the start of its SHA-256."""
    return hashlib.sha256(b"shouwang key id " + wire_id.encode()).digest()[:KEY_ID_BYTES]
