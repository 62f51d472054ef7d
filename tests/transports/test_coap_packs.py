"""Packs in blocks: however they are cut, repeated or mixed up, a pack is whole or refused."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from aiocoap import POST, Message
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports import coap_packs
from gateway.transports.coap_door import Refused
from gateway.transports.coap_packs import Packs


def block(data: bytes, number: int, size_exponent: int, *, content_format: int = 112) -> Message:
    size = 1 << (size_exponent + 4)
    start = number * size
    more = start + size < len(data)
    return Message(
        code=POST,
        payload=data[start : start + size],
        block1=(number, more, size_exponent),
        content_format=content_format,
    )


def count_of(data: bytes, size_exponent: int) -> int:
    return -(-len(data) // (1 << (size_exponent + 4)))


@given(data=st.binary(min_size=1, max_size=3000), size_exponent=st.integers(0, 6), again=st.data())
def test_blocks_in_order_give_the_pack_however_often_one_is_said(
    data: bytes, size_exponent: int, again: st.DataObject
) -> None:
    packs = Packs(Counter(), max_bytes=3000)
    last = count_of(data, size_exponent) - 1
    for number in range(last):
        for _ in range(again.draw(st.integers(1, 2))):
            assert packs.take("band", block(data, number, size_exponent)) is None
    assert packs.take("band", block(data, last, size_exponent)) == data


@given(
    data=st.binary(min_size=200, max_size=900),
    numbers=st.lists(st.tuples(st.integers(0, 14), st.sampled_from("ab")), max_size=40),
)
def test_blocks_in_any_order_never_give_another_pack(data: bytes, numbers: list[tuple[int, str]]) -> None:
    packs = Packs(Counter(), max_bytes=900)
    for number, device in numbers:
        if number >= count_of(data, 2):
            continue
        with contextlib.suppress(Refused):
            assert packs.take(device, block(data, number, 2)) in (None, data)


@pytest.mark.parametrize(
    "request_",
    [
        Message(code=POST, payload=b"x" * 101),
        Message(code=POST, payload=b"x" * 16, block1=(0, True, 0), size1=101),
        Message(code=POST, payload=b"x" * 16, block1=(6, False, 0)),
    ],
)
def test_what_is_or_will_be_too_long_is_refused_at_once(request_: Message) -> None:
    with pytest.raises(Refused) as refused:
        Packs(Counter(), max_bytes=100).take("band", request_)
    assert refused.value.code.dotted == "4.13"


def test_a_pack_keeps_its_content_format() -> None:
    packs, data = Packs(Counter(), max_bytes=100), b"x" * 30
    packs.take("band", block(data, 0, 0, content_format=110))
    with pytest.raises(Refused):
        packs.take("band", block(data, 1, 0, content_format=112))


def test_the_pack_untouched_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_packs, "MAX_UNFINISHED", 2)
    counts: Counter[str] = Counter()
    packs, data = Packs(counts, max_bytes=100), b"x" * 40
    for device in "abc":
        packs.take(device, block(data, 0, 0))
    assert counts["unfinished packs dropped"] == 1
    with pytest.raises(Refused):
        packs.take("a", block(data, 1, 0))
    assert packs.take("b", block(data, 1, 0)) is None
