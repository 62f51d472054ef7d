"""A band's key sealed to whoever ordered it, so that nobody on the way or in a store can read it. Pure.

The order carries a public key made for it alone; its private half stays with whoever shows the key.

1. An ephemeral X25519 key (RFC 7748) of ours, and theirs, give a shared secret.
2. HKDF-SHA-256 (RFC 5869), salted with both public keys, its info `shouwang band key ` and the order's name,
   gives a key of 256 bits, used once.
3. AES-256-GCM (NIST SP 800-38D) with a nonce of zeros seals; the order's name is authenticated with it.

On the wire: base64 of our public key (32 bytes) and the ciphertext with its tag. Web Crypto has all of it.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PUBLIC_BYTES = 32
NONCE = bytes(12)
INFO = b"shouwang band key "


def new_pair() -> tuple[str, str]:
    """A private and a public key for one order, base64 each."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415  # 0.1 s

    private = X25519PrivateKey.generate()
    return _text(private.private_bytes_raw()), _text(private.public_key().public_bytes_raw())


def is_public_key(text: str) -> bool:
    """Whether something can be sealed to this."""
    try:
        return len(base64.b64decode(text, validate=True)) == PUBLIC_BYTES
    except (binascii.Error, ValueError):
        return False


def seal(secret: bytes, to: str, *, command: str) -> str:
    """Seal a secret to a public key. Raises ValueError when that is none, or a weak one (of low order)."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import (  # noqa: PLC0415  # see new_pair
        X25519PrivateKey,
        X25519PublicKey,
    )

    theirs = base64.b64decode(to, validate=True)
    ours = X25519PrivateKey.generate()
    shared = ours.exchange(X25519PublicKey.from_public_bytes(theirs))
    own = ours.public_key().public_bytes_raw()
    cipher = _cipher(shared, own + theirs, command)
    return _text(own + cipher.encrypt(NONCE, secret, command.encode()))


def open_sealed(sealed: str, private: str, *, command: str) -> bytes:
    """Give what was sealed for this order to this key's public half; raises ValueError when nothing was."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # see new_pair
    from cryptography.hazmat.primitives.asymmetric.x25519 import (  # noqa: PLC0415  # see new_pair
        X25519PrivateKey,
        X25519PublicKey,
    )

    data = base64.b64decode(sealed, validate=True)
    ours = X25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
    own, ciphertext = data[:PUBLIC_BYTES], data[PUBLIC_BYTES:]
    shared = ours.exchange(X25519PublicKey.from_public_bytes(own))
    cipher = _cipher(shared, own + ours.public_key().public_bytes_raw(), command)
    try:
        return cipher.decrypt(NONCE, ciphertext, command.encode())
    except InvalidTag as error:
        raise ValueError("not sealed to this key for this order") from error


def _cipher(shared: bytes, salt: bytes, command: str) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # see new_pair
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # see new_pair
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415  # see new_pair

    derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=INFO + command.encode()).derive(shared)
    return AESGCM(derived)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
