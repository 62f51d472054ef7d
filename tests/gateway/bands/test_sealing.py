"""A secret sealed to one public key for one order is nobody else's, and no other order's."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bands.sealing import is_public_key, new_pair, open_sealed, seal


@given(st.binary(max_size=200))
def test_what_is_sealed_is_opened_by_its_own_key(secret):
    private, public = new_pair()
    assert open_sealed(seal(secret, public, command="c1"), private, command="c1") == secret


def test_another_key_another_order_and_a_changed_byte_open_nothing():
    private, public = new_pair()
    sealed = seal(b"the key", public, command="c1")
    changed = bytearray(base64.b64decode(sealed))
    changed[-1] ^= 1
    for wrong in (
        (sealed, new_pair()[0], "c1"),
        (sealed, private, "c2"),
        (base64.b64encode(changed).decode(), private, "c1"),
    ):
        with pytest.raises(ValueError, match="not sealed"):
            open_sealed(wrong[0], wrong[1], command=wrong[2])


def test_the_same_secret_is_never_sealed_alike():
    _, public = new_pair()
    assert seal(b"k", public, command="c1") != seal(b"k", public, command="c1")


@pytest.mark.parametrize("text", ["", "AAAA", "not base64 at all", "A" * 43 + "é"])
def test_what_is_no_public_key_is_said_so(text):
    assert not is_public_key(text)


def test_a_public_key_of_low_order_is_refused():
    with pytest.raises(ValueError, match="shared key"):
        seal(b"k", base64.b64encode(bytes(32)).decode(), command="c1")
