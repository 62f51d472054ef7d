"""The numbers of OSCORE: no nonce comes twice, whatever becomes of the file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from aiocoap import CHANGED, POST, Message, oscore
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bands import keys
from gateway.transports import coap_contexts
from gateway.transports.coap_contexts import EPOCH_MS, STRIDE, BandContext, Contexts, State

KEY_ID = keys.key_id("band-1")
SECRET = keys.derive("a key").oscore_secret
OTHER = keys.derive("another").oscore_secret


class Site:
    """A folder, a clock and a registry of one band, over several runs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "oscore" / "g.json"
        self.now_ms = EPOCH_MS + 1_000_000
        self.uptime_s = 0.0
        self.secret: bytes | None = SECRET

    def run(self) -> Contexts:
        contexts = Contexts(self.path, self.find, now_ms=lambda: self.now_ms, monotonic=lambda: self.uptime_s)
        contexts.open()
        return contexts

    def find(self, key_id: bytes) -> tuple[str, bytes] | None:
        return ("band-1", self.secret) if key_id == KEY_ID and self.secret is not None else None

    @property
    def kept(self) -> State:
        return msgspec.json.decode(self.path.read_bytes(), type=State)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def context_of(contexts: Contexts) -> BandContext:
    context = contexts.get(KEY_ID)
    assert context is not None
    return context


def heard(context: BandContext, *numbers: int) -> None:
    if not context.recipient_replay_window.is_initialized():
        context.recipient_replay_window.initialize_from_freshlyseen(numbers[0])
        numbers = numbers[1:]
    for number in numbers:
        context.recipient_replay_window.strike_out(number)


def test_keys_are_derived_as_rfc_8613_appendix_c_1_2_has_them() -> None:
    """With the ids and the salt of the RFC's server, which are not ours."""

    class Vector(BandContext):
        sender_id = b"\x01"

    secret = bytes(range(1, 17))
    context = Vector("x", b"", secret, first=0, reserve=lambda _: None)
    context.derive_keys(bytes.fromhex("9e7ca92223786340"), secret)
    assert context.recipient_key.hex() == "f0910ed7295e6ad4b54fc793154302ff"
    assert context.sender_key.hex() == "ffb14e093c94c9cac9471648b4f98710"
    assert context.common_iv.hex() == "4622d4dd6d944168eefb54987c"


def test_the_windows_outlive_a_clean_stop_and_not_a_kill(site: Site) -> None:
    first = site.run()
    heard(context_of(first), 100, 101, 103)
    first.close()
    second = site.run()
    assert site.kept.windows == {}
    window = context_of(second).recipient_replay_window
    assert [window.is_valid(number) for number in (100, 101, 102, 103, 104)] == [
        False,
        False,
        True,
        False,
        True,
    ]
    killed = site.run()
    assert not context_of(killed).recipient_replay_window.is_initialized()


def test_a_window_that_nobody_used_in_a_run_is_kept_for_the_next(site: Site) -> None:
    first = site.run()
    heard(context_of(first), 100)
    first.close()
    site.run().close()
    assert not context_of(site.run()).recipient_replay_window.is_valid(100)


def test_a_revoked_bands_window_is_forgotten_at_the_stop(site: Site) -> None:
    contexts = site.run()
    heard(context_of(contexts), 100)
    site.secret = None
    assert contexts.get(KEY_ID) is None
    contexts.close()
    assert site.kept.windows == {}


def test_a_key_given_back_never_gets_its_old_numbers_again(site: Site) -> None:
    contexts = site.run()
    used = [context_of(contexts).new_sequence_number() for _ in range(3)]
    site.secret = OTHER
    context_of(contexts).new_sequence_number()
    site.secret = SECRET
    context = context_of(contexts)
    assert context.new_sequence_number() > max(used)
    assert not context.recipient_replay_window.is_initialized()


def test_a_stride_is_written_once(site: Site) -> None:
    contexts = site.run()
    context = context_of(contexts)
    for _ in range(STRIDE + 1):
        context.new_sequence_number()
    assert contexts.writes == 2


def test_a_number_that_cannot_be_reserved_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = site.run()
    context = context_of(contexts)
    monkeypatch.setattr(contexts, "_write", raising)
    for _ in range(STRIDE):
        context.new_sequence_number()
    with pytest.raises(oscore.ContextUnavailable):
        context.new_sequence_number()


def raising(_state: State) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_that_cannot_be_written_is_tried_again(site: Site) -> None:
    site.path.parent.write_text("in the way")
    contexts = site.run()
    assert not contexts.open()
    site.path.parent.unlink()
    assert not contexts.open()
    site.uptime_s += coap_contexts.RETRY_S
    assert contexts.open()


@pytest.mark.parametrize("rubbish", [b"", b"{", b'{"next":"x"}', b"\xff"])
def test_a_damaged_file_costs_an_echo_and_no_nonce(site: Site, rubbish: bytes) -> None:
    first = site.run()
    used = context_of(first).new_sequence_number()
    first.close()
    site.path.write_bytes(rubbish)
    site.now_ms += 1000
    context = context_of(site.run())
    assert context.new_sequence_number() > used
    assert not context.recipient_replay_window.is_initialized()


def test_the_longest_silent_context_makes_room_and_comes_back_as_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coap_contexts, "MAX_CONTEXTS", 1)
    secrets = {KEY_ID: ("band-1", SECRET), keys.key_id("band-2"): ("band-2", OTHER)}
    contexts = Contexts(site.path, secrets.get)
    contexts.open()
    context = context_of(contexts)
    heard(context, 100)
    used = context.new_sequence_number()
    assert contexts.get(keys.key_id("band-2")) is not None
    again = context_of(contexts)
    assert again is not context
    assert not again.recipient_replay_window.is_valid(100)
    assert again.new_sequence_number() > used


Move = tuple[str, int]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["send", "kill", "stop", "lose", "restore", "rotate", "tick"]), st.integers(1, 40)
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(moves=MOVES)
def test_no_number_is_ever_used_twice_under_one_secret(moves: list[Move]) -> None:
    """Whatever happens to the process and its file, as long as the clock moves when the file is lost."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        used: set[tuple[bytes, int]] = set()
        contexts = site.run()
        backup = site.path.read_bytes()

        def send(times: int) -> None:
            for _ in range(times):
                number = context_of(contexts).new_sequence_number()
                assert site.secret is not None
                assert (site.secret, number) not in used
                used.add((site.secret, number))

        def lost(_: int) -> None:
            site.path.unlink()
            site.now_ms += 60_000

        def restored(_: int) -> None:
            site.path.write_bytes(backup)
            site.now_ms += 60_000

        def rotated(_: int) -> None:
            site.secret = OTHER if site.secret == SECRET else SECRET

        moves_of: dict[str, Callable[[int], None]] = {
            "send": send,
            "kill": lambda _: None,
            "stop": lambda _: contexts.close(),
            "lose": lost,
            "restore": restored,
            "rotate": rotated,
            "tick": lambda _: None,
        }
        for name, times in moves:
            moves_of[name](times)
            site.now_ms += times
            if name in {"kill", "stop", "lose", "restore"}:
                contexts = site.run()


def test_a_request_and_its_answer_open_at_the_other_end(site: Site) -> None:
    """The simulated band's own room, written from the page alone, and ours."""
    from firmware_sim.links.oscore import BandSecurity

    band, ours = BandSecurity("band-1", "a key"), context_of(site.run())
    ours.recipient_replay_window.initialize_empty()
    request, request_id = band.protect(Message(code=POST, payload=b"[]", content_format=110))
    opened, theirs = ours.unprotect(Message.decode(_on_wire(request)))
    assert (opened.payload, opened.opt.content_format) == (b"[]", 110)
    answer, _ = ours.protect(Message(code=CHANGED), theirs)
    assert band.unprotect(Message.decode(_on_wire(answer)), request_id)[0].code is CHANGED


def _on_wire(message: Message) -> bytes:
    message.mtype, message.mid, message.token = 0, 1, b""
    return bytes(message.encode())


def test_the_installers_sheet_names_the_id_we_answer_under() -> None:
    from gateway.desk import device_sheet

    assert device_sheet.SERVER_ID == coap_contexts.SERVER_ID


@pytest.mark.parametrize("left", [None, b"", b"{", b"[1]"], ids=repr)
def test_without_numbers_and_without_a_clock_nothing_is_sent_until_the_clock_is_right(
    site: Site, left: bytes | None
) -> None:
    """A box without a battery wakes up in 1970: to begin at nought again would be a nonce twice."""
    context_of(site.run()).new_sequence_number()
    site.path.unlink()
    if left is not None:
        site.path.write_bytes(left)
    site.now_ms = 1000
    contexts = Contexts(site.path, site.find, now_ms=lambda: site.now_ms, monotonic=lambda: site.uptime_s)
    assert not contexts.open()
    site.now_ms, site.uptime_s = EPOCH_MS + 1_100_000, 60.0
    assert contexts.open()
    assert context_of(contexts).new_sequence_number() >= 1_100_000


def test_a_clock_that_is_wrong_is_no_matter_while_the_file_is_there(site: Site) -> None:
    used = context_of(site.run()).new_sequence_number()
    site.now_ms = 1000
    assert context_of(site.run()).new_sequence_number() > used
