"""The door of the CoAP server: whatever is done to a datagram, it is let in whole or refused in words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from aiocoap import GET, POST, Message, oscore
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.links.oscore import BandSecurity
from gateway.bands import keys
from gateway.transports.coap_contexts import Contexts
from gateway.transports.coap_door import Door, Refused
from gateway.transports.coap_wire import Peer, decoded

KEY_ID = keys.key_id("band-1")
SECRET = keys.derive("a key").oscore_secret


class Pipe:
    """All that the door looks at."""

    def __init__(self, request: Any) -> None:
        self.request = request


class Unwritten(Contexts):
    """Contexts without a disk."""

    def open(self) -> bool:
        self._first, self._reserved = 1, 1 << 30
        return True


def find(key_id: bytes) -> tuple[str, bytes] | None:
    return ("band-1", SECRET) if key_id == KEY_ID else None


def sealed(*, observe: bool) -> bytes:
    band = BandSecurity("band-1", "a key")
    inner = Message(code=GET, observe=0) if observe else Message(code=POST, payload=b"[]", content_format=110)
    inner.opt.uri_path = ("sw", "c", "band-1", "up")
    outer, _ = band.protect(inner)
    outer.mtype, outer.mid, outer.token = 0, 1, b"t"
    return bytes(outer.encode())


WHOLE = sealed(observe=False), sealed(observe=True)


def come(data: bytes, *, fresh: bool) -> str:
    """What becomes of a datagram."""
    request = decoded(data, Peer(("192.0.2.7", 4000)))
    if request is None:
        return "not CoAP"
    if not request.code.is_request():
        return "no request"
    contexts = Unwritten(Path("nowhere"), find)
    door = Door(contexts, Counter(), plain_everywhere=False)
    if door.screen(request) is not None:
        return "screened"
    assert contexts.open()
    if not fresh:
        context = contexts.get(KEY_ID)
        assert context is not None
        context.recipient_replay_window.initialize_empty()
    try:
        return door.open(Pipe(request), None).device or ""
    except Refused as refused:
        return refused.counter
    except oscore.ReplayErrorWithEcho:
        return "asked for an Echo"


def test_a_whole_one_is_let_in_and_asked_for_an_echo_when_nothing_is_known_of_its_band() -> None:
    assert [come(data, fresh=False) for data in WHOLE] == ["band-1", "band-1"]
    assert [come(data, fresh=True) for data in WHOLE] == ["asked for an Echo"] * 2


@settings(max_examples=400, deadline=None)
@given(data=st.binary(max_size=100), fresh=st.booleans())
def test_any_bytes_are_refused(data: bytes, *, fresh: bool) -> None:
    assert come(data, fresh=fresh) in {"not CoAP", "no request", "screened"}


@settings(max_examples=800, deadline=None)
@given(
    which=st.sampled_from(WHOLE),
    place=st.integers(4, 80),
    byte=st.integers(0, 255),
    cut=st.integers(0, 8),
    fresh=st.booleans(),
)
def test_a_changed_byte_or_a_cut_end_is_refused(
    which: bytes, place: int, byte: int, cut: int, *, fresh: bool
) -> None:
    data = bytearray(which)
    place = min(place, len(data) - 1)
    data[place] = byte
    changed = bytes(data[: len(data) - cut])
    believed = {"band-1"} if not fresh else {"asked for an Echo"}
    if changed[5:] == which[5:]:  # only the token, which is nobody's secret
        assert come(changed, fresh=fresh) in believed | {"not CoAP"}
    else:
        assert come(changed, fresh=fresh) not in believed


@settings(max_examples=400, deadline=None)
@given(option=st.binary(max_size=20), payload=st.binary(max_size=40), fresh=st.booleans())
def test_any_oscore_option_is_refused(option: bytes, payload: bytes, *, fresh: bool) -> None:
    for named in (option, option + KEY_ID):
        request = Message(code=POST, payload=payload, _mtype=0, _mid=1, _token=b"t")
        request.opt.oscore = named
        assert come(request.encode(), fresh=fresh) not in {"band-1", "asked for an Echo"}
