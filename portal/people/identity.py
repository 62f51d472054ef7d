"""Identity numbers: sealed at rest, found by a keyed digest, shown with their middle hidden.

Both keys come from the portal's `secret_key` by HKDF (RFC 5869), each for its own purpose; who has the
database alone can neither read a number nor try numbers against the digests.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.fields import id_number_is_valid

SEAL: Final = b"shouwang: identity numbers, sealed"
FIND: Final = b"shouwang: identity numbers, found"
SHOWN_FIRST: Final = 3
SHOWN_LAST: Final = 2
KEY_BYTES: Final = 32


class Unreadable(ValueError):
    """A sealed value that was not sealed with this key: the portal's `secret_key` was changed."""


def seal(text: str, *, secret_key: str) -> str:
    """Give a text sealed (AES-128-CBC with HMAC-SHA256, Fernet); twice the same text gives two seals."""
    return _box(secret_key).encrypt(text.encode()).decode()


def unseal(sealed: str, *, secret_key: str) -> str:
    """Give what was sealed; raises `Unreadable` where the key is another or the seal is broken."""
    try:
        return _box(secret_key).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable("sealed with another key") from error


def digest(number: str, *, secret_key: str) -> str:
    """Give the keyed digest a number is found by: 64 hex digits, the same for the same number."""
    key = derived(secret_key, FIND)
    return hmac.new(key, number.upper().encode(), hashlib.sha256).hexdigest()


def masked(number: str) -> str:
    """Give a number with its middle hidden: the first three signs and the last two stay."""
    hidden = max(0, len(number) - SHOWN_FIRST - SHOWN_LAST)
    return (
        number[:SHOWN_FIRST] + "*" * hidden + number[len(number) - SHOWN_LAST :]
        if hidden
        else "*" * len(number)
    )


def born(number: str) -> dt.date | None:
    """The birth date in a valid number (GB 11643-1999, digits 7 to 14), None for an invalid one."""
    if not id_number_is_valid(number):
        return None
    return dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))


def sex(number: str) -> str:
    """`male` or `female` by the 17th digit (odd is male), empty for an invalid number."""
    if not id_number_is_valid(number):
        return ""
    return "male" if int(number[16]) % 2 else "female"


def derived(secret_key: str, purpose: bytes) -> bytes:
    """Give a key of 32 bytes for one purpose."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(secret_key.encode())


def _box(secret_key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived(secret_key, SEAL)))
