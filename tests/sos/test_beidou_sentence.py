"""The sentences of BeiDou modules: every captured example, both ways, and whatever else may come."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sos.beidou_frame import MAX_SENTENCE_BYTES, SentenceBuffer, SentenceError, build, checksum, split
from sos.beidou_sentence import (
    Beams,
    Card,
    Emergency,
    Feedback,
    Other,
    Received,
    ask_card,
    ask_signal,
    parse,
    send,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "rdss.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text().splitlines()]
every_row = pytest.mark.parametrize("row", ROWS, ids=[f"{n}-{row['type']}" for n, row in enumerate(ROWS, 1)])

DIGITS = (
    "1234567890" * 24  # as the captured CCTCQ has them
)
PWI_BEAMS = ((2, 51.0), (4, 50.0), (11, 43.0), (16, 51.0))
SNR = (0, 0, 0, 0, 0, 0, 48, 0, 0, 0, 0, 0, 41, 0, 0, 0, 44, 44, 0, 0, 0)
HEARD = {
    "$BDICI,0242286,00242286,0000011,6,60,3,N,0*38": Card(
        generation="bds2", number="0242286", rate_s=60, level=3
    ),
    "$BDICI,0000000,00000000,0000000,0,0,0,N,0*0B": Card(
        generation="bds2", number="0000000", rate_s=0, level=5
    ),
    "$BDICI,0166166,02097151,0000011,6,40,3,N,000*33": Card(
        generation="bds2", number="0166166", rate_s=40, level=3
    ),
    "$BDICP,15240507,2032472,1,3,0,N,1,Y,1,0,0,3,1,1,5,1,1,2,2,500,100,10,10*65": Card(
        generation="bds3", number="15240507", rate_s=1, level=5
    ),
    "$BDICP,4216930,0,0,3,0,N,2,N,1,0,0,3,1,60,2,0,0,1,1,21,0,0,0*4E": Card(
        generation="bds3", number="4216930", rate_s=60, level=2
    ),
    "$BDBSI,01,03,3,2,2,0,3,0,0,3,0,0*5F": Beams(
        unit="power", strengths=tuple(enumerate((3.0, 2, 2, 0, 3, 0, 0, 3, 0, 0), start=1))
    ),
    "$BDPWI,023628.00,00,04,2,51,44,0,4,50,43,0,11,43,36,0,16,51,44,0*42": Beams(
        unit="dB-Hz", strengths=PWI_BEAMS
    ),
    "$BDPWI,000000.00,00,01,51,40,33,0*7B": Beams(unit="dB-Hz", strengths=((51, 40.0),)),
    "$BDSNR,0,0,0,0,0,0,48,0,0,0,0,0,41,0,0,0,44,44,0,0,0*5C": Beams(
        unit="dB-Hz", strengths=tuple(enumerate(map(float, SNR), start=1))
    ),
    "$BDFKI,000000,TCQ,Y,5,0*74": Feedback(command="TCQ", done=True),
    "$BDFKI,082920,TCQ,Y,0,0*70": Feedback(command="TCQ", done=True),
    "$BDFKI,TXA,N,Y,0,0000*04": Feedback(command="TXA", done=False, obstacle="other"),
    "$BDTXR,1,0179773,2,,A468656C6C6F*43": Received(
        generation="bds2", sender="0179773", form="mixed", data=b"A468656C6C6F"
    ),
    "$BDTXR,1,195817,2,1439,A4BF0113ECCB13ECCBHELLO*49": Received(
        generation="bds2", sender="195817", form="mixed", data=b"A4BF0113ECCB13ECCBHELLO"
    ),
    "$BDTXR,1,0166166,1,,3132333433333335*46": Received(
        generation="bds2", sender="0166166", form="code", data=b"3132333433333335"
    ),
    "$BDTCI,4204986,4204990,2,111143,2,0,FE24003100000000000006006E5141F0DF0242F3FBDC*31": Received(
        generation="bds3",
        sender="4204986",
        form="code",
        data=b"FE24003100000000000006006E5141F0DF0242F3FBDC",
    ),
}
BODIES = {
    "A468656C6C6F": b"hello",
    "A4BF0113ECCB13ECCBHELLO": b"BF0113ECCB13ECCBHELLO",
    "3132333433333335": b"12343335",
    "FE24003100000000000006006E5141F0DF0242F3FBDC": bytes.fromhex(
        "FE24003100000000000006006E5141F0DF0242F3FBDC"
    ),
}
WRITTEN = {
    "$CCICA,0,00*7B": ask_card("bds2"),
    "$CCRMO,BSI,2,0*26": ask_signal("bds2"),
    "$CCTXA,0179773,1,2,A468656C6C6F*7A": send("bds2", "0179773", b"hello"),
    "$CCICR,0,00*68": ask_card("bds3"),
    "$CCTXA,0166166,1,1,3132333433333335*7F": build("CCTXA", "0166166", "1", "1", b"12343335".hex().upper()),
    "$CCTXA,0247718,1,1,3132333435*70": build("CCTXA", "0247718", "1", "1", b"12345".hex().upper()),
    "$CCBSS,05,03*44": build("CCBSS", "05", "03"),
    f"$CCTCQ,4238473,2,1,3,{DIGITS},0*7B": send("bds3", "4238473", bytes.fromhex(DIGITS), coding="plain"),
}


def test_every_row_of_the_vectors_is_expected_by_one_of_the_tables():
    assert len(ROWS) == 24
    assert {row["frame"] for row in ROWS} == HEARD.keys() | WRITTEN.keys()


@every_row
def test_a_checksum_is_what_the_vector_says(row):
    frame = row["frame"].encode("latin-1")
    body, _, said = frame[1:].rpartition(b"*")
    assert row["checksum_ok"] is True
    assert f"{checksum(body):02X}" == row["checksum_computed"] == said.decode()
    name, rest = split(frame)
    assert name == row["type"]
    assert build(name, *rest.split(b",")) == frame + b"\r\n"


@pytest.mark.parametrize(("frame", "expected"), HEARD.items())
def test_what_a_module_says_is_read(frame, expected):
    assert parse(frame.encode("latin-1")) == expected
    if isinstance(expected, Received):
        assert expected.body == BODIES[expected.data.decode()]


@pytest.mark.parametrize(("frame", "ours"), WRITTEN.items())
def test_what_we_say_to_a_module_is_what_was_captured(frame, ours):
    assert ours == frame.encode("ascii") + b"\r\n"
    assert isinstance(parse(ours), Other)


# --------------------------------------------------------------------------- beyond the vectors


def said(name: str, *fields: str | bytes):
    return parse(build(name, *fields))


def test_a_card_of_zeros_is_no_card():
    assert not said("BDICI", *["0000000", "00000000", "0000000", "0", "0", "0", "N", "0"]).present
    assert said("BDICI", *["0000001", "00000000", "0000000", "0", "0", "0", "N", "0"]).present


@pytest.mark.parametrize(
    ("fields", "obstacle", "wait_s"),
    [
        ("TXA,N,Y,0,0040", "rate", 40),
        ("TXA,N,Y,0,0130", "rate", 90),
        ("TXA,N,Y,1,0000", "inhibited", 0),
        ("TXA,N,Y,2,0000", "power", 0),
        ("TXA,N,Y,3,0000", "silence", 0),
        ("TXA,N,Y,7,0000", "other", 0),
        ("010203,TCQ,N,1,40", "rate", 40),
        ("010203,TCQ,N,2,0", "inhibited", 0),
        ("010203,TCQ,N,3,0", "silence", 0),
        ("010203,TCQ,N,4,0", "power", 0),
        ("010203,TCQ,N,5,0", "no card", 0),
        ("010203,TCQ,N,6,0", "no right", 0),
        ("010203,TCQ,N,11,0", "checksum", 0),
        ("010203,TCQ,N,99,0", "other", 0),
        ("010203,TCQ,N,0", "other", 0),
    ],
)
def test_a_refusal_says_why_and_how_long_to_wait(fields, obstacle, wait_s):
    heard = said("BDFKI", *fields.split(","))
    assert (heard.done, heard.obstacle, heard.wait_s) == (False, obstacle, wait_s)


@pytest.mark.parametrize(
    ("fields", "strengths"),
    [
        ("120000.00,00,00", ()),
        ("120000.00,02,1,44,3,50,00", ((1, 44.0), (3, 50.0))),
        ("120000.00,01,1,44,9,02,3,50,40,0,5,41,30,0", ((1, 44.0), (3, 50.0), (5, 41.0))),
        ("120000,00,01,3,50,40", ((3, 50.0),)),
        ("120000.00,00,02,3,50,40,9,0,5,41,30,9,0", ((3, 50.0), (5, 41.0))),
    ],
)
def test_beams_are_read_in_groups_of_every_width(fields, strengths):
    heard = said("BDPWI", *fields.split(","))
    assert heard.strengths == strengths
    assert heard.best == max((strength for _, strength in strengths), default=0)


def test_a_message_in_raw_gbk_is_read_as_words():
    heard = said("BDTXR", "1", "0179773", "0", "", "张桂兰,在东门".encode("gbk"))
    assert heard.text == "张桂兰,在东门"
    assert said("BDTXR", "1", "0179773", "0", "", "张".encode("gbk").hex()).text == "张"


def test_raw_bytes_behind_a_raw_mark_lose_the_mark():
    assert said("BDTXR", "1", "0179773", "2", "", b"\xa4,@\xff").body == b",@\xff"


def test_a_module_with_one_field_less_is_understood():
    full = said("BDTCI", *["4204986", "4204990", "2", "111143", "3", "0", "A40102"])
    short = said("BDTCI", *["4204986", "4204990", "2", "111143", "3", "A40102"])
    assert full == short
    assert full.body == b"\x01\x02"


def test_an_emergency_receipt_and_an_unknown_name_are_kept_as_they_are():
    assert said("BDEPI", "4204986", "1") == Emergency(fields=(b"4204986", b"1"))
    assert said("BDXYZ", "1") == Other(name="BDXYZ", fields=(b"1",))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "checksum missing"),
        (b"hello", "checksum missing"),
        (b"$BDICI,1,2", "checksum missing"),
        (b"$BDICI,0000000*00", "checksum wrong"),
        (b"BDICI,1*33", "no sentence"),
        (build("BDICI", "1"), "field unreadable"),
        (build("BDICI", "12a", "1", "1", "1", "1", "1"), "field unreadable"),
        (build("BDFKI", "TXA", "Q", "Y", "0", "0000"), "field unreadable"),
        (build("BDTXR", "1", "0179773", "9", "", "A4"), "form of message unknown"),
        (build("BDPWI", "120000.00", "00", "03", "1", "2"), "beams unreadable"),
    ],
)
def test_what_is_no_sentence_says_why(line, reason):
    with pytest.raises(SentenceError) as caught:
        parse(line)
    assert caught.value.reason == reason


@pytest.mark.parametrize("bad", ["", "12345678901", "+86138", "١٢٣", "12 4", "1*2"])
def test_nothing_is_sent_to_what_is_no_card_number(bad):
    with pytest.raises(ValueError, match="card number"):
        send("bds2", bad, b"")


@pytest.mark.parametrize("field", ["a*b", "a$b", "a\r\nb", "\x00"])
def test_a_sentence_never_holds_what_would_end_it(field):
    with pytest.raises(ValueError, match="holds no"):
        build("CCTXA", field)


# --------------------------------------------------------------------------- properties


@given(body=st.binary(max_size=120), generation=st.sampled_from(["bds2", "bds3"]))
def test_what_one_module_sends_another_receives(body, generation):
    order = send(generation, "4216930", body)
    assert order.endswith(b"\r\n")
    data = split(order)[1].split(b",")[3 if generation == "bds2" else 4]
    if generation == "bds2":
        heard = said("BDTXR", "1", "0179773", "2", "", data)
    else:
        heard = said("BDTCI", "0179773", "4216930", "2", "120000", "3", "0", data)
    assert heard.body == body


@given(st.binary(max_size=300))
def test_any_bytes_are_a_sentence_or_a_sentence_error(noise):
    for line in (noise, b"$" + noise, b"$%b*%02X" % (noise, checksum(noise))):
        try:
            parse(line)
        except SentenceError:
            continue


NAMES = st.sampled_from([*sorted({frame[1:6] for frame in HEARD}), "BDEPI", "BDXYZ"])
FIELDS = st.lists(
    st.one_of(
        st.sampled_from(["", "0", "00", "1", "3", "Y", "N", "TXA", "TCQ", "120000.00", "0179773", "A4FF"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="*$"), max_size=12),
    ),
    max_size=26,
)


@settings(max_examples=400)
@given(NAMES, FIELDS)
def test_any_fields_under_a_known_name_give_what_is_heard_or_a_sentence_error(name, fields):
    try:
        heard = said(name, *fields)
    except SentenceError:
        return
    if isinstance(heard, Received):
        assert isinstance(heard.body, bytes)
        assert isinstance(heard.text, str)
    if isinstance(heard, Beams):
        assert heard.best >= 0


def lines_of(pieces: list[bytes]) -> list[bytes]:
    buffer = SentenceBuffer()
    return [line for piece in pieces for line in buffer.feed(piece)]


@settings(max_examples=200)
@given(st.data())
def test_a_stream_is_cut_the_same_wherever_it_is_split(data):
    frames = data.draw(
        st.lists(st.sampled_from([row["frame"].encode() + b"\r\n" for row in ROWS]), max_size=6)
    )
    noise = data.draw(st.binary(max_size=30))
    stream = noise.join([b"", *frames, b""])
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    edges = [0, *sorted(cuts), len(stream)]
    whole = lines_of([stream])
    assert lines_of([stream[a:b] for a, b in pairwise(edges)]) == whole
    assert lines_of([stream[at : at + 1] for at in range(len(stream))]) == whole


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_a_short_buffer_drops_what_is_too_long_and_counts_it_the_same_however_it_comes(pieces):
    stream = b"\r\n".join(pieces)
    at_once, slowly = SentenceBuffer(most=16), SentenceBuffer(most=16)
    whole = at_once.feed(stream)
    assert [line for at in range(len(stream)) for line in slowly.feed(stream[at : at + 1])] == whole
    assert slowly.dropped == at_once.dropped
    assert len(slowly) <= 17


def test_the_buffer_stays_bounded_and_reads_on_after_a_flood():
    buffer = SentenceBuffer()
    for _ in range(40):
        assert buffer.feed(b"0" * 65536) == []
        assert len(buffer) <= MAX_SENTENCE_BYTES + 1
    assert buffer.dropped == 1
    assert buffer.feed(b"\r\n" + ask_card("bds2")) == [ask_card("bds2").rstrip()]


def test_a_sentence_cut_off_by_the_next_does_not_take_it_along():
    buffer = SentenceBuffer()
    assert buffer.feed(b"$BDICI,0242" + ask_card("bds2")) == [b"$BDICI,0242", ask_card("bds2").rstrip()]
