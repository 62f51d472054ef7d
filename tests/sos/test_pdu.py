from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sos import pdu

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sms_pdu.json").read_text())
PHONE = "+8613800138000"
CONCATENATION = re.compile("(050003)(..)")


@pytest.mark.parametrize("name", [name for name in VECTORS if not isinstance(VECTORS[name]["gsmmodem"], str)])
def test_our_pdus_equal_those_of_python_gsmmodem(name):
    row = VECTORS[name]
    reference = 7
    ours = [part.hex for part in pdu.encode_submit(row["to"], row["text"], reference=reference)]
    assert ours == row["gsmmodem"]


@pytest.mark.parametrize("name", VECTORS)
def test_our_text_and_cuts_equal_those_of_gammu(name):
    row = VECTORS[name]
    theirs = [pdu.decode_submit(part) for part in row["gammu"]]
    ours = [pdu.decode_submit(part.hex) for part in pdu.encode_submit(row["to"], row["text"], reference=1)]
    assert [part.text for part in ours] == [part.text for part in theirs]
    assert "".join(part.text for part in theirs) == row["text"]
    assert {part.to for part in theirs} == {row["to"]}


def test_the_length_counts_the_octets_after_the_service_centre():
    for part in pdu.encode_submit(PHONE, "救" * 100, reference=3):
        assert part.length == len(bytes.fromhex(part.hex)) - 1


ALPHABET = st.one_of(
    st.characters(codec="utf-8"),
    st.sampled_from(pdu.BASIC.replace("\x1b", "") + "".join(pdu.EXTENSION.values())),
    st.sampled_from("救𠮷🆘张桂兰"),
)


@settings(max_examples=150, deadline=None)
@given(text=st.text(ALPHABET, max_size=400), reference=st.integers(0, 255))
def test_any_text_survives_the_way_out(text, reference):
    parts = [pdu.decode_submit(part.hex) for part in pdu.encode_submit(PHONE, text, reference=reference)]
    assert "".join(part.text for part in parts) == text
    if len(parts) > 1:
        assert [part.part for part in parts] == [
            pdu.Part(reference=reference, total=len(parts), number=number)
            for number in range(1, len(parts) + 1)
        ]


@settings(max_examples=100, deadline=None)
@given(lead=st.integers(60, 70), text=st.text(st.sampled_from("𠮷🆘救"), min_size=10, max_size=150))
def test_no_surrogate_pair_is_ever_split(lead, text):
    whole = "救" * lead + text
    parts = [pdu.decode_submit(part.hex) for part in pdu.encode_submit(PHONE, whole, reference=1)]
    assert all("\ufffd" not in part.text for part in parts)
    assert "".join(part.text for part in parts) == whole


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from("€[]{}ab"), min_size=150, max_size=330))
def test_no_escaped_character_is_ever_split(text):
    parts = [pdu.decode_submit(part.hex) for part in pdu.encode_submit(PHONE, text, reference=1)]
    assert "".join(part.text for part in parts) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [("a" * 160, 1), ("a" * 161, 2), ("救" * 70, 1), ("救" * 71, 2), ("€" * 80, 1), ("€" * 81, 2), ("", 1)],
)
def test_a_text_takes_as_few_parts_as_it_can(text, count):
    assert len(pdu.encode_submit(PHONE, text, reference=1)) == count


def test_a_text_that_no_parts_can_carry_is_an_error():
    with pytest.raises(pdu.PduError):
        pdu.encode_submit(PHONE, "救" * 67 * 256, reference=1)


@pytest.mark.parametrize("number", ["", "hello", "+86 138", "+", "١٢٣"])
def test_what_is_no_number_is_an_error(number):
    with pytest.raises(pdu.PduError):
        pdu.encode_submit(number, "a", reference=1)


def test_an_incoming_text_is_read_with_its_time():
    read = pdu.decode_incoming("07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07")
    assert isinstance(read, pdu.Deliver)
    assert read.sender == "+31641600986"
    assert read.text == "How are you?"
    assert read.at == datetime(2002, 8, 26, 19, 37, 41, tzinfo=UTC)


def test_a_sender_with_a_name_instead_of_a_number_is_read():
    name = pdu.encode_text("Shouwang", reference=0)[0].octets
    text = pdu.encode_text("1", reference=0)[0].octets
    raw = b"\x00\x04\x0e\xd0" + name + b"\x00\x00" + bytes.fromhex("62304050607023") + b"\x01" + text
    read = pdu.decode_incoming(raw.hex())
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=8)))
    assert read == pdu.Deliver(sender="Shouwang", text="1", at=at, part=None)


@pytest.mark.parametrize(
    ("status", "delivered", "final"),
    [(0x00, True, True), (0x01, True, True), (0x20, False, False), (0x30, False, False), (0x41, False, True)],
)
def test_a_delivery_report_says_what_became_of_the_text(status, delivered, final):
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    raw = b"\x00\x06\x2a" + pdu.encode_address(PHONE) + pdu.encode_time(at) * 2 + bytes([status])
    read = pdu.decode_incoming(raw.hex())
    assert read == pdu.StatusReport(reference=0x2A, recipient=PHONE, status=status, at=at)
    assert (read.delivered, read.final) == (delivered, final)


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=60))
def test_any_octets_are_read_or_refused_with_our_own_error(raw):
    for read in (pdu.decode_incoming, pdu.decode_submit):
        try:
            read(raw.hex())
        except pdu.PduError:
            continue


def random_texts(count: int, *, seed: int) -> list[str]:
    """Texts of every alphabet, most of them as long as a part or a few, give or take a character."""
    chance = random.Random(seed)
    alphabets = (
        "".join(map(chr, range(32, 127))),
        "^{}\\[~]|€" + "abc",
        "救命张桂兰楼单元,。",
        "𠮷🆘👵🏻救a€",
    )
    texts = []
    for _ in range(count):
        edge = chance.choice((1, 67, 70, 134, 153, 160, 201, 306))
        alphabet = chance.choice((*alphabets, "".join(alphabets)))
        texts.append("".join(chance.choices(alphabet, k=max(1, edge + chance.randint(-3, 3)))))
    return texts


def test_a_thousand_random_texts_survive_and_each_part_can_be_read_alone():
    texts = random_texts(1000, seed=20_260_301)
    many = 0
    for number, text in enumerate(texts):
        parts = [
            pdu.decode_submit(part.hex) for part in pdu.encode_submit(PHONE, text, reference=number % 256)
        ]
        assert "".join(part.text for part in parts) == text
        assert all("\ufffd" not in part.text for part in parts)
        many += len(parts) > 1
    assert many > 300
    assert len({len(text) for text in texts}) > 40
