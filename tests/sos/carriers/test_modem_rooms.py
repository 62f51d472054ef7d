"""The pure rooms of the modem: cutting lines, following a call, explaining reports."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sos.at import AtLines
from sos.events import LegState
from sos.modem_line import key_of, not_sent, stored_at
from sos.pdu import StatusReport
from sos.phone_call import ACTIVE, AFTER_KEY_S, ALERTING, CONNECT_ALLOWANCE_S, DIALLING, PhoneCall
from sos.text_book import MAX_TEXTS, TextBook, digit_of

PHONE = "+8613800138001"
SAID = b'\r\nOK\r\n\r\n+CMTI: "SM",3\r\n+CDS: 25\r\n0006\r\n> '
LINES = ["OK", '+CMTI: "SM",3', "+CDS: 25", "0006", ">"]


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(0, len(SAID)), max_size=6))
def test_lines_are_the_same_however_the_bytes_arrive(cuts):
    edges = [0, *sorted(cuts), len(SAID)]
    lines = AtLines()
    read = [line for a, b in pairwise(edges) for line in lines.feed(SAID[a:b])]
    assert read == LINES


@settings(max_examples=60)
@given(noise=st.binary(max_size=300))
def test_noise_on_the_line_never_breaks_the_cutting(noise):
    lines = AtLines()
    lines.feed(noise)
    assert lines.feed(b"\r\nOK\r\n")[-1] == "OK"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("+DTMF: 1", "1"),
        ('+DTMF: "1"', "1"),
        ("+RXDTMF: 5", "5"),
        ("+RXDTMF:1", "1"),
        ("+QTONEDET: 49", "1"),
        ("+DTMF: #", "#"),
        ("RING", None),
        ("+CTTS: 0", None),
    ],
)
def test_a_key_is_read_in_every_makers_words(line, key):
    assert key_of(line) == key


def test_a_stored_message_is_read_with_its_memory():
    assert stored_at('+CMTI: "SM",12') == ("SM", 12)
    assert stored_at('+CDSI: "SR",1') == ("SR", 1)
    assert stored_at("OK") is None


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("+CMS ERROR: 331", "CarrierDown"),
        ("+CMS ERROR: 310", "CarrierDown"),
        ("+CMS ERROR: 332", "CarrierAmbiguous"),
        ("+CMS ERROR: 500", "CarrierRefused"),
        ("ERROR", "CarrierRefused"),
    ],
)
def test_a_modems_refusal_of_a_text_is_told_by_what_it_left_behind(reason, error):
    from sos.at import AtRefused

    assert type(not_sent(AtRefused("+CMGS", reason))).__name__ == error


def call(**more) -> PhoneCall:
    plain = {
        "leg_id": "a",
        "phone": PHONE,
        "reference": "call/x/a",
        "script": "求救",
        "ring_timeout_s": 25,
        "key_wait_s": 45,
        "dialled_at_s": 100.0,
    }
    return PhoneCall(**(plain | more))


def test_a_call_rings_no_longer_than_it_was_told_from_the_first_ring():
    made = call()
    assert made.seen(DIALLING, 100.1) is None
    assert not made.must_end(100 + CONNECT_ALLOWANCE_S)
    assert made.seen(ALERTING, 110) is LegState.RINGING
    assert made.seen(ALERTING, 111) is None
    assert not made.must_end(134.9)
    assert made.must_end(135.1)
    assert made.end() is LegState.NO_ANSWER


def test_a_call_the_network_never_puts_through_ends_too():
    made = call()
    made.seen(DIALLING, 101)
    assert made.must_end(100 + CONNECT_ALLOWANCE_S + 25.1)
    assert made.end() is LegState.FAILED


def test_the_script_is_said_again_until_the_key():
    made = call()
    assert not made.must_speak(101)
    assert made.seen(ACTIVE, 105) is LegState.ANSWERED
    assert made.must_speak(105)
    assert not made.must_speak(105.5)
    made.spoken(107)
    assert not made.must_speak(107.5)
    assert made.must_speak(108.1)
    made.pressed("2", 109)
    assert made.must_speak(112)
    made.pressed("1", 112)
    assert not made.must_speak(130)
    assert not made.must_end(115)
    assert made.must_end(116.1)
    assert made.end() is LegState.CONFIRMED


def test_a_one_stays_whatever_is_pressed_after_it():
    made = call()
    made.seen(ACTIVE, 105)
    made.pressed("1", 106)
    made.pressed("9", 107)
    assert made.end() is LegState.CONFIRMED


def test_an_answered_call_without_a_key_ends():
    made = call()
    made.seen(ACTIVE, 105)
    assert not made.must_end(149.9)
    assert made.must_end(150.1)
    assert made.end() is LegState.NO_KEY


def test_a_call_just_dialled_is_not_over_because_it_is_not_listed_yet():
    made = call()
    assert not made.over_unlisted(100.5)
    assert made.over_unlisted(103)
    made.network_said = "BUSY"
    assert made.over_unlisted(100.5)
    assert made.end() is LegState.BUSY


@pytest.mark.parametrize(
    ("text", "digit"),
    [("1", "1"), ("１", "1"), ("1.", "1"), ("①", "1"), ("11", None), ("好", None), ("", None)],
)
def test_an_answer_is_a_single_digit(text, digit):
    assert digit_of(text) == digit


def report(reference: int, *, status: int = 0, recipient: str = PHONE) -> StatusReport:
    return StatusReport(reference=reference, recipient=recipient, status=status, at=None)


def test_a_report_finds_its_text_though_the_network_dropped_the_country_code():
    book = TextBook()
    reference = book.sent("a", PHONE, [7], mark=book.starting())
    assert book.reported(report(7, recipient="13800138001")) == ("a", LegState.DELIVERED)
    assert book.state(reference) is LegState.DELIVERED


def test_a_report_for_another_telephone_or_another_text_explains_nothing():
    book = TextBook()
    reference = book.sent("a", PHONE, [7], mark=book.starting())
    assert book.reported(report(7, recipient="+8613800138002")) is None
    assert book.reported(report(8)) is None
    assert book.reported(report(7, status=0x30)) is None
    assert book.state(reference) is LegState.PLACED


def test_a_report_that_overtakes_the_answer_is_not_lost():
    book = TextBook()
    mark = book.starting()
    assert book.reported(report(7)) is None
    assert book.state(book.sent("a", PHONE, [7], mark=mark)) is LegState.DELIVERED


def test_an_old_report_does_not_deliver_a_new_text_of_the_same_reference():
    book = TextBook()
    assert book.reported(report(7)) is None
    assert book.state(book.sent("a", PHONE, [7], mark=book.starting())) is LegState.PLACED


def test_a_text_of_before_the_start_is_judged_by_the_reports_that_come_now():
    reference = TextBook().sent("a", PHONE, [7, 8], mark=0)
    book = TextBook()
    assert book.state(reference) is LegState.PLACED
    book.reported(report(7))
    assert book.state(reference) is LegState.PLACED
    book.reported(report(8))
    assert book.state(reference) is LegState.DELIVERED


@pytest.mark.parametrize("early", [True, False])
def test_a_text_in_doubt_is_settled_by_a_report_for_its_last_part(early):
    book = TextBook()
    mark = book.starting()
    book.reported(report(7))
    if early:
        book.reported(report(8))
    book.unsure("a", PHONE, [7], mark=mark)
    if not early:
        assert book.settled("a", PHONE) is None
        assert book.reported(report(8)) == ("a", LegState.DELIVERED)
    reference = book.settled("a", PHONE)
    assert reference is not None
    assert book.state(reference) is LegState.DELIVERED


def test_a_report_that_could_be_of_either_of_two_doubtful_texts_settles_neither():
    book = TextBook()
    for leg_id in ("a", "b"):
        book.unsure(leg_id, PHONE, [], mark=book.starting())
    assert book.reported(report(7)) is None
    assert book.settled("a", PHONE) is book.settled("b", PHONE) is None


def test_the_book_is_bounded():
    book = TextBook()
    for number in range(MAX_TEXTS + 50):
        book.sent(f"leg{number}", f"+86138{number:08}", [number % 256], mark=0)
        book.addressed(f"leg{number}", f"+86138{number:08}")
        book.unsure(f"leg{number}", f"+86138{number:08}", [], mark=0)
    assert len(book._texts) == len(book._latest) == len(book._unsure) == MAX_TEXTS
    assert book.answered("+8613800000000") is None


@pytest.mark.parametrize(
    ("keys", "end"),
    [
        ("3", LegState.CONFIRMED),
        ("31", LegState.CONFIRMED),
        ("32", LegState.CONFIRMED),
        ("23", LegState.CONFIRMED),
        ("2", LegState.NO_KEY),
        ("5", LegState.NO_KEY),
        ("", LegState.NO_KEY),
    ],
)
def test_a_three_frees_the_line_and_ends_the_call_like_a_one(keys, end):
    made = call()
    made.seen(ACTIVE, 105)
    for digit in keys:
        made.pressed(digit, 106)
    assert made.must_end(106 + AFTER_KEY_S + 0.1) is (end is LegState.CONFIRMED)
    assert made.must_speak(107) is (end is LegState.NO_KEY)
    assert made.end() is end


def test_a_three_by_text_is_a_key_as_a_one_is():
    assert [digit_of(text) for text in ("3", "３。", "“3”", "3楼")] == ["3", "3", "3", None]
