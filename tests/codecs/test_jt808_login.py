"""Who is believed on a JT/T 808 connection, and what is said to the rest."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.jt808_frames import Terminal, code_of, result_of
from gateway.codecs.base import Known
from gateway.codecs.jt808 import Jt808Codec
from gateway.codecs.jt808_frame import Frame, build, parse
from gateway.codecs.jt808_login import address, codes, luhn_digit, names, registration
from gateway.codecs.jt808_settings import Jt808Settings
from gateway.model import Uplink

VECTORS = Path(__file__).parents[1] / "vectors" / "jt808.jsonl"
PHONE = "013800138000"
CODE = "1f0e2d3c4b5a69788796"


class Listed:
    """A list of bands that can change, and a connection that is judged by it."""

    def __init__(self, **known: Known) -> None:
        self.bands = {name.removeprefix("n"): band for name, band in known.items()}
        self.codec = Jt808Codec(bands=self.bands.get)

    def say(self, data: bytes) -> tuple[Uplink, Frame | None]:
        self.codec.feed(data)
        uplink = self.codec.next_event()
        assert uplink is not None
        assert self.codec.next_event() is None
        return uplink, None if uplink.reply is None else parse(uplink.reply)

    def result(self, data: bytes) -> tuple[int, str]:
        uplink, reply = self.say(data)
        assert reply is not None
        said = result_of(reply)
        assert said is not None
        return said.result, uplink.refusal


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(PHONE)


@pytest.fixture
def listed() -> Listed:
    return Listed(n013800138000=Known(login_code=CODE, serial="0567872"))


def test_a_stranger_is_told_that_it_is_not_on_the_list_whatever_it_says(terminal):
    listed = Listed()
    uplink, reply = listed.say(terminal.register())
    assert (uplink.device, uplink.refusal) == (PHONE, "unknown terminal")
    assert reply is not None
    assert (reply.message, reply.body) == (0x8100, struct.pack(">HB", terminal.serial, 4))
    assert listed.result(terminal.authenticate(b"guess")) == (1, "unknown terminal")
    assert listed.result(terminal.frame(0x0200, bytes(28))) == (1, "unknown terminal")


def test_a_registration_is_answered_with_the_bands_own_code_and_lets_it_in(listed, terminal):
    uplink, reply = listed.say(terminal.register())
    assert (uplink.readings, uplink.refusal) == ((), "")
    assert reply is not None
    assert reply.body == struct.pack(">HB", terminal.serial, 0) + CODE.encode()
    assert code_of(reply) == CODE.encode()
    assert listed.result(terminal.frame(0x0002)) == (0, "")


def test_another_terminal_with_the_same_number_is_refused(listed, terminal):
    uplink, reply = listed.say(terminal.register(b"OTHER01"))
    assert uplink.refusal == "terminal id is another"
    assert reply is not None
    assert reply.body == struct.pack(">HB", terminal.serial, 3)
    assert code_of(reply) is None
    assert listed.result(terminal.frame(0x0002)) == (1, "not authenticated")


def test_without_a_terminal_id_on_the_list_any_terminal_of_the_number_registers(terminal):
    listed = Listed(n013800138000=Known(login_code=CODE))
    uplink, _ = listed.say(terminal.register(b"OTHER01"))
    assert uplink.refusal == ""


def test_the_right_code_lets_it_in_and_a_wrong_one_puts_it_out_again(listed, terminal):
    assert listed.result(terminal.frame(0x0200, bytes(28))) == (1, "not authenticated")
    assert listed.result(terminal.authenticate(CODE.encode())) == (0, "")
    uplink, _ = listed.say(terminal.frame(0x0200, bytes(28)))
    assert (len(uplink.readings), uplink.refusal) == (1, "")
    assert listed.result(terminal.authenticate(CODE[:-1].encode())) == (1, "wrong authentication code")
    assert listed.result(terminal.frame(0x0200, bytes(28))) == (1, "not authenticated")


def test_after_a_log_out_it_has_to_log_in_again(listed, terminal):
    listed.say(terminal.authenticate(CODE.encode()))
    assert listed.result(terminal.frame(0x0003)) == (0, "")
    assert listed.result(terminal.frame(0x0002)) == (1, "not authenticated")


def test_a_login_is_of_one_connection_and_of_one_number(listed, terminal):
    other = Terminal("013800138001")
    listed.bands["013800138001"] = Known(login_code="another")
    listed.say(terminal.authenticate(CODE.encode()))
    assert listed.result(other.frame(0x0002)) == (1, "not authenticated")
    fresh = Listed(n013800138000=listed.bands[PHONE])
    assert fresh.result(terminal.frame(0x0002)) == (1, "not authenticated")


def test_a_band_that_is_taken_off_the_list_or_has_a_new_key_is_out_at_once(listed, terminal):
    listed.say(terminal.authenticate(CODE.encode()))
    listed.bands[PHONE] = Known(login_code="new")
    assert listed.result(terminal.frame(0x0002)) == (1, "not authenticated")
    del listed.bands[PHONE]
    assert listed.result(terminal.frame(0x0002)) == (1, "unknown terminal")


@pytest.mark.parametrize(
    "known", [Known(), Known(login_code=CODE, settings=Jt808Settings(authenticates=False))]
)
def test_a_band_without_a_key_or_whose_model_never_logs_in_is_believed_by_its_number(known, terminal):
    listed = Listed(n013800138000=known)
    assert listed.result(terminal.frame(0x0002)) == (0, "")
    assert listed.result(terminal.authenticate(b"whatever")) == (0, "")


def test_a_part_of_a_long_message_is_no_way_around_the_login(listed):
    part = build(0x0704, bytes(3), phone=bytes.fromhex(PHONE), serial=3, parts=2, part=1)
    assert listed.result(part) == (1, "not authenticated")


# --------------------------------------------------------------------------- layouts


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (2, ("", "MD300", "866496077582164")),
        (28, ("70111", "BSJ-M7B ", "0000000")),
        (46, ("70111", "BSJ-A6-BD", "0567872")),
        (47, ("", "HB-R03GBD", "1906751")),
    ],
)
def test_captured_registrations_of_2011_2013_and_2019_read_as_their_layout_says(row, expected):
    rows: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text().splitlines()]
    found = registration(parse(bytes.fromhex(rows[row]["frame"])))
    assert found == tuple(field.strip() for field in expected)


def test_a_2019_code_stands_after_its_length_and_before_imei_and_version():
    phone = bytes.fromhex("00000000013800138000")
    body = bytes([len(CODE)]) + CODE.encode() + b"867567041100769" + b"V1.0".ljust(20, b"\0")
    listed = Listed(n00000000013800138000=Known(login_code=CODE))
    assert listed.result(build(0x0102, body, phone=phone, serial=1, version=1)) == (0, "")
    bare = Listed(n00000000013800138000=Known(login_code=CODE))
    assert bare.result(build(0x0102, CODE.encode(), phone=phone, serial=1, version=1)) == (0, "")
    assert codes(Frame(0x0102, phone, 1, b"", version=1)) == (b"",)


def test_a_code_may_be_padded():
    assert codes(Frame(0x0102, bytes(6), 1, b"abc\0\0")) == (b"abc",)


# --------------------------------------------------------------------------- numbers and names


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("013800138000", ("013800138000", "13800138000", "00000000013800138000")),
        ("413800138000", ("413800138000", "00000000413800138000")),
        ("00000000013800138000", ("00000000013800138000", "13800138000", "013800138000")),
        ("000000000000", ("000000000000", "00000000000000000000")),
        ("4eb6fb4ad628", ("4eb6fb4ad628", "865478070001047")),
        ("aaaaaaaaaaaaaaaaaaaa", ("aaaaaaaaaaaaaaaaaaaa",)),
    ],
)
def test_a_terminal_may_stand_on_the_list_as_printed_on_it(phone, expected):
    assert names(bytes.fromhex(phone)) == expected


def test_a_binary_imei_is_known_by_its_fifteen_digits():
    phone = int("86756704110076").to_bytes(6, "big")
    assert names(phone) == (phone.hex(), "867567041100769")
    assert luhn_digit("86756704110076") == "9"
    listed = Listed(n867567041100769=Known())
    uplink, _ = listed.say(build(0x0002, b"", phone=phone, serial=1))
    assert uplink.device == "867567041100769"


@pytest.mark.parametrize(
    ("wire_id", "version", "expected"),
    [
        ("13800138000", None, ("013800138000", None)),
        ("13800138000", 1, ("00000000013800138000", 1)),
        ("00000000013800138000", None, ("00000000013800138000", 1)),
        ("4eb6fb4ad628", None, ("4eb6fb4ad628", None)),
        ("867567041100769", None, (int("86756704110076").to_bytes(6, "big").hex(), None)),
        ("867567041100769", 1, ("00000867567041100769", 1)),
    ],
)
def test_a_name_leads_back_to_the_number_on_the_wire(wire_id, version, expected):
    found = address(wire_id, version)
    assert found is not None
    assert (found[0].hex(), found[1]) == expected


@pytest.mark.parametrize("wire_id", ["", "band-zhang", "1380013800012", "4EB6", "g" * 12])
def test_what_is_no_number_has_no_address(wire_id):
    assert address(wire_id, None) is None


def test_a_band_whose_new_firmware_speaks_2019_is_still_the_same_band(terminal):
    listed = Listed(n013800138000=Known(login_code=CODE))
    phone = bytes.fromhex(PHONE.zfill(20))
    login = bytes([len(CODE)]) + CODE.encode()
    uplink, reply = listed.say(build(0x0102, login, phone=phone, serial=1, version=1))
    assert (uplink.device, uplink.refusal) == (PHONE, "")
    assert reply is not None
    assert (reply.phone, reply.version) == (phone, 1)


def test_a_band_listed_without_its_zero_is_found_and_spoken_to_by_that_name(terminal):
    listed = Listed(n13800138000=Known(login_code=CODE))
    uplink, _ = listed.say(terminal.authenticate(CODE.encode()))
    assert uplink.device == "13800138000"
