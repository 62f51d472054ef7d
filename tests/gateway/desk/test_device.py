"""`shouwang device`: the installer's commands, one process, no gateway beside it."""

from __future__ import annotations

import json
import os
import re
import stat
import threading

import pytest

from gateway.bands.keys import derive
from gateway.bands.store import DeviceStore
from gateway.config import load
from gateway.desk import device as device_room
from gateway.desk.device_book import MOST_CHARACTERS, Asked, Refused, changing
from gateway.desk.device_sheet import Wire, reached, wires
from gateway.desk.device_words import as_claims
from gateway.errors import NeedsHuman
from shouwang import main

WIRES = """
[transports.mqtt_listener]
port = 1883
[transports.coap]
port = 5683
[transports.tcp]
listeners = [ { port = 5093, protocol = "watch" }, { host = "0.0.0.0", port = 7611, protocol = "jt808" } ]
"""


class Desk:
    """Runs commands on one configuration and gives (status, what was printed, what was complained)."""

    def __init__(self, config, capsys) -> None:
        self.config = config
        self.store = config.parent / "var/gw-test.devices.db"
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        status = main(["device", *words, "--config", str(self.config)])
        return (status, *self._capsys.readouterr())

    def devices(self) -> dict[str, dict]:
        _, printed, _ = self("list", "--json")
        return {one["device"]: one for one in json.loads(printed)}

    def rows(self):
        store = DeviceStore(self.store, make=False)
        try:
            return {row.device: row for row in store.rows()}
        finally:
            store.close()


@pytest.fixture
def desk(small_config, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # commands go to the folder of their configuration
    return Desk(small_config(more=WIRES), capsys)


ADD = ("add", "--wearer", "zhang", "--protocol", "senml", "--id")


def test_looking_makes_no_store(desk):
    assert set(desk.devices()) == {"band-zhang", "4700186508"}
    assert not desk.store.exists()


def test_an_added_band_is_shown_with_all_that_is_typed_into_it(desk):
    status, printed, _ = desk(*ADD, "b2", "--name", "新手环")
    key = re.search(r"key +(\S{43})$", printed, re.MULTILINE)[1]
    kept = desk.rows()["b2"].keys
    assert (status, kept.fits(key.encode()), kept.oscore_secret) == (0, True, derive(key).oscore_secret)
    for words in ("sw/xinhe/b2/up", "sw/xinhe/b2/down", "1883", "5683", kept.oscore_secret.hex(), "6777"):
        assert words in printed
    assert stat.S_IMODE(desk.store.stat().st_mode) == 0o600


def test_nothing_but_adding_and_rotating_shows_a_secret(desk):
    _, printed, _ = desk(*ADD, "b2")
    key = re.search(r"key +(\S{43})$", printed, re.MULTILINE)[1]
    kept = desk.rows()["b2"].keys
    shown = "".join(
        desk(*words)[1]
        for words in (("list",), ("list", "--json"), ("show", "b2"), ("rename", "b2", "--name", "x"))
    )
    for secret in (key, kept.verifier, kept.login_code, kept.oscore_secret.hex()):
        assert secret not in shown


def test_a_watch_gets_no_key_unless_somebody_asks_for_one(desk):
    watch = ("add", "--wearer", "wang", "--protocol", "watch", "--id")
    assert "no login on this wire" in desk(*watch, "471")[1]
    assert desk.rows()["471"].keys.verifier == ""
    assert "shown once" in desk(*watch, "472", "--key")[1]
    status, _, complaint = desk("rotate", "471")
    assert (status, "has no login" in complaint) == (2, True)


def test_a_jt808_terminal_has_a_code_that_nobody_types(desk):
    status, printed, _ = desk("add", "--wearer", "zhang", "--protocol", "jt808", "--id", "013800138001")
    kept = desk.rows()["013800138001"].keys
    assert (status, len(kept.login_code), "issues it" in printed) == (0, 20, True)
    assert kept.login_code not in printed
    assert "set site.address" in printed, "0.0.0.0 is nothing to type into a terminal"
    assert "whoever knows the phone number" in printed
    known = ("add", "--wearer", "zhang", "--protocol", "jt808", "--id", "13800138002", "--serial", "T000001")
    assert "whoever knows the phone number" not in desk(*known)[1]


@pytest.mark.parametrize(
    ("host", "address", "typed"),
    [
        ("0.0.0.0", "gw.example.cn", "gw.example.cn"),
        ("0.0.0.0", "", ""),
        ("::", "2001:db8::7", "2001:db8::7"),
        ("192.168.1.7", "", "192.168.1.7"),
        ("192.168.1.7", "gw.example.cn", "gw.example.cn"),
        ("127.0.0.1", "gw.example.cn", "127.0.0.1"),
        ("gateway.lan", "gw.example.cn", "gateway.lan"),
    ],
)
def test_what_is_typed_is_the_address_by_which_a_band_reaches_this_box(host, address, typed):
    assert reached(host, address) == typed


@pytest.fixture
def certificate(tmp_path):
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (tmp_path / name).touch()


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (
            """
            [transports.mqtt_listener.tls]
            host = "0.0.0.0"
            certificate = "cert.pem"
            key_file = "key.pem"
            client_ca = "ca.pem"
            require_client_certificate = true
            """,
            [Wire(kind="mqtt", host="gw.example.cn", port=8883, tls=True, certificate=True)],
        ),
        (
            """
            [transports.mqtt_listener]
            host = "0.0.0.0"
            plain = "network"
            """,
            [Wire(kind="mqtt", host="gw.example.cn", port=1883)],
        ),
        (
            """
            [transports.mqtt_client]
            host = "broker.lan"
            username = "gateway"
            """,
            [Wire(kind="mqtt", host="broker.lan", port=1883)],
        ),
        (
            """
            [transports.mqtt_client]
            host = "127.0.0.1"
            username = "gateway"
            mosquitto = { dir = "broker", host = "0.0.0.0", certificate = "cert.pem", key_file = "key.pem" }
            """,
            [Wire(kind="mqtt", host="gw.example.cn", port=8883, tls=True)],
        ),
    ],
    ids=["tls beside loopback", "plain on the network", "a broker elsewhere", "a broker of ours"],
)
def test_each_way_of_mqtt_is_named_as_a_band_must_use_it(
    small_config, certificate, tmp_path, monkeypatch, tables, expected
):
    monkeypatch.chdir(tmp_path)
    path = small_config(('map_dir = "seed"', 'map_dir = "seed"\naddress = "gw.example.cn"'), more=tables)
    assert list(wires(load(path), "senml")) == expected


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((*ADD, "band-zhang"), "there is a band band-zhang already"),
        ((*ADD, "4700186508", "--device", "other"), "an id that 4700186508 does not have"),
        ((*ADD, "a/b"), "without spaces and / +"),
        ((*ADD, "b2", "--name", "x" * (MOST_CHARACTERS + 1)), "at most 64 characters"),
        ((*ADD, "b2", "--model", "none-such"), "a model that speaks senml"),
        (("add", "--wearer", "nobody", "--protocol", "senml", "--id", "b2"), "a wearer of this gateway"),
        (("add", "--wearer", "zhang", "--protocol", "morse", "--id", "b2"), "expected one of"),
        (("show", "none"), "there is no band 'none'"),
        (("revoke", "none"), "there is no band"),
        (("rename", "band-zhang"), "--name or --wire-id"),
        (("rename", "band-zhang", "--wire-id", "4700186508"), "an id that 4700186508 does not have"),
        (("move", "band-zhang", "--wearer", "zhang"), "zhang's already"),
        (("move", "band-zhang", "--wearer", "nobody"), "a wearer of this gateway"),
        (("qr", "band-zhang", "--wire", "tcp"), "no wire tcp"),
        (("claim",), "no journal"),
        (("import", "none.csv"), "none.csv"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(desk, words, complaint):
    status, _, said = desk(*words)
    assert (status, complaint in said) == (2, True), said
    assert not desk.store.exists() or desk.rows() == {}


def test_a_revoked_band_stays_in_the_list_and_comes_back_only_by_adding_it_again(desk):
    assert desk("revoke", "band-zhang")[0] == 0
    assert (desk.devices()["band-zhang"]["state"], desk("revoke", "band-zhang")[0]) == ("revoked", 2)
    for words in (("rotate", "band-zhang"), ("rename", "band-zhang", "--name", "x"), ("qr", "band-zhang")):
        assert "is revoked" in desk(*words)[2]
    assert desk(*ADD, "band-zhang")[0] == 0
    assert desk.devices()["band-zhang"]["state"] == "active"


def test_a_revoked_id_is_free_for_another_band(desk):
    desk("revoke", "4700186508")
    assert desk("rename", "band-zhang", "--wire-id", "4700186508")[0] == 0
    assert "an id that band-zhang does not have" in desk(*ADD, "4700186508", "--device", "third")[2]


def test_a_renamed_or_moved_band_is_the_same_band_with_the_same_key(desk):
    desk(*ADD, "b2")
    before = desk.rows()["b2"]
    desk("rename", "b2", "--wire-id", "b3", "--name", "新名")
    desk("move", "b3", "--wearer", "wang")
    after = desk.rows()["b2"]
    assert (after.wire_id, after.name, after.wearer) == ("b3", "新名", "wang")
    assert (after.keys, after.added_ms) == (before.keys, before.added_ms)


def test_every_change_is_logged_with_who_did_it(desk, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "installer-li")
    desk(*ADD, "b2")
    desk("move", "b2", "--wearer", "wang")
    desk("revoke", "b2")
    _, printed, _ = desk("show", "b2")
    log = re.findall(r"installer-li +(.+)$", printed, re.MULTILINE)
    assert log == ["added", "moved from zhang to wang", "revoked"]


def test_a_follower_that_cannot_follow_is_said_and_the_change_stands(desk, monkeypatch):
    def cannot(*_args):
        raise NeedsHuman("the broker has its old files")

    monkeypatch.setattr("gateway.desk.mosquitto.follow", cannot)
    assert device_room.FOLLOWERS == ("mosquitto",)
    status, _, complaint = desk("revoke", "band-zhang")
    assert (status, "changed, but: the broker has its old files" in complaint) == (1, True)
    assert desk.rows()["band-zhang"].state == "revoked"


def test_a_store_that_is_none_is_said_so(desk):
    desk.store.parent.mkdir(exist_ok=True)
    desk.store.write_bytes(b"this is no database at all, only bytes " * 200)
    for words in (("list",), (*ADD, "b2"), ("show", "band-zhang")):
        status, _, complaint = desk(*words)
        assert (status, "devices.db" in complaint) == (2, True)


def test_the_check_of_a_configuration_names_the_bands_it_would_leave_unheard(desk, small_config, capsys):
    desk("add", "--wearer", "wang", "--protocol", "watch", "--id", "471")
    assert main(["check", str(desk.config)]) == 0
    capsys.readouterr()
    other = small_config(('id = "wang"', 'id = "wang-deshun"'), more=WIRES)
    assert main(["check", str(other)]) == 1
    assert "not heard: 471: there is no wearer wang" in capsys.readouterr().err


def test_two_commands_at_once_wait_for_each_other(desk, small_config):
    """What the second checks is what the first has written."""
    settings = load(desk.config)
    at_once = threading.Barrier(2)
    ends: list[str] = []

    def adds(name: str) -> None:
        at_once.wait()
        try:
            with changing(settings) as page:
                page.add(Asked(wearer="zhang", protocol="senml", wire_id="one", device=name), "k")
        except Refused:
            ends.append("refused")
        else:
            ends.append("added")

    threads = [threading.Thread(target=adds, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ends) == ["added", "refused"]


# --------------------------------------------------------------------------- QR codes


def test_a_qr_code_holds_what_the_sheet_says_and_a_key_only_once(desk, monkeypatch):
    made = []
    monkeypatch.setattr("gateway.desk.qr.in_terminal", lambda content: made.append(content) or "QR")
    _, printed, _ = desk(*ADD, "b2", "--qr")
    key = re.search(r"key +(\S{43})$", printed, re.MULTILINE)[1]
    desk("qr", "b2")
    desk("qr", "b2", "--wire", "coap")
    plain = {
        "v": 1,
        "wire": "mqtt",
        "host": "127.0.0.1",
        "port": 1883,
        "tls": False,
        "id": "b2",
        "community": "xinhe",
    }
    first, again, coap = map(json.loads, made)
    assert (first, again) == (plain | {"key": key}, plain)
    assert set(coap) == {*plain, "key_id", "server_id"}


def test_a_qr_code_stands_on_the_screen_or_in_a_file_of_ones_own(desk, tmp_path):
    _, printed, _ = desk("qr", "band-zhang")
    assert len(printed.splitlines()) > 20
    picture = tmp_path / "band.png"
    assert desk("qr", "band-zhang", "--png", str(picture))[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600


def test_a_key_is_not_made_for_a_qr_code_that_cannot_be(desk, tmp_path):
    picture = tmp_path / "band.png"
    picture.touch()
    assert desk(*ADD, "b2", "--png", str(picture))[0] == 2
    assert "b2" not in desk.devices()


# --------------------------------------------------------------------------- many at once


@pytest.fixture
def table(tmp_path):
    def write(text: str, encoding: str = "utf-8") -> str:
        path = tmp_path / "bands.csv"
        path.write_bytes(text.encode(encoding))
        return str(path)

    return write


GOOD = "wearer,protocol,id,name\r\nzhang,senml,n1,张桂兰\r\nwang,watch,47001,\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_a_table_is_brought_in_whole_and_its_keys_go_into_a_file(desk, table, tmp_path, encoding):
    out = tmp_path / "keys.csv"
    status, printed, _ = desk("import", table(GOOD, encoding), "--keys-out", str(out))
    assert (status, printed.startswith("2 bands imported")) == (0, True)
    rows = desk.rows()
    assert (rows["n1"].name, rows["47001"].keys.verifier) == ("张桂兰", "")
    header, line = out.read_text().splitlines()
    key = dict(zip(header.split(","), line.split(","), strict=True))["key"]
    assert rows["n1"].keys.fits(key.encode())
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert key not in printed


def test_a_dry_run_says_how_many_and_does_nothing(desk, table):
    status, printed, _ = desk("import", table(GOOD), "--dry-run")
    assert (status, printed, desk.store.exists()) == (0, "2 bands can be imported; nothing was\n", False)


def test_every_wrong_place_is_listed_with_its_line_and_nothing_is_imported(desk, table, tmp_path):
    text = (
        "wearer,protocol,id,name\n"
        "zhang,senml,n1,right\n"
        "nobody,senml,n 2,\n"
        "zhang,morse,n1,\n"
        "\n"
        "zhang,watch\n"
        "zhang,watch,,\n"
        "zhang,senml,band-zhang,\n"
    )
    for more in (("--dry-run",), ("--keys-out", str(tmp_path / "keys.csv"))):
        status, _, complaint = desk("import", table(text), *more)
        assert status == 2
        places = re.findall(r"^line (\d+): (\w+) ", complaint, re.MULTILINE)
        assert places == [
            *(("3", "id"), ("3", "wearer")),
            *(("4", "id"), ("4", "protocol")),
            *(("6", "row"), ("7", "id"), ("8", "device")),
        ]
    assert not (tmp_path / "keys.csv").exists()
    assert not desk.store.exists() or desk.rows() == {}


def test_bands_with_keys_need_a_place_for_them_that_is_not_taken(desk, table, tmp_path):
    taken = tmp_path / "keys.csv"
    taken.write_text("of yesterday")
    for more, words in (((), "--keys-out FILE"), (("--keys-out", str(taken)), "never overwrite")):
        status, _, complaint = desk("import", table(GOOD), *more)
        assert (status, words in complaint) == (2, True)
    assert taken.read_text() == "of yesterday"
    assert desk.rows() == {}


def test_keys_do_not_stay_when_their_bands_could_not_be_written(desk, table, tmp_path, monkeypatch):
    def full(*_args, **_more):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(DeviceStore, "put", full)
    status, _, complaint = desk("import", table(GOOD), "--keys-out", str(tmp_path / "keys.csv"))
    assert (status, "No space" in complaint) == (2, True)
    assert not (tmp_path / "keys.csv").exists()


@pytest.mark.slow
def test_ten_thousand_bands_are_one_import(desk, table, tmp_path):
    lines = [f"zhang,senml,n{number}" for number in range(10_000)]
    text = "\n".join(["wearer,protocol,id", *lines])
    assert desk("import", table(text), "--keys-out", str(tmp_path / "k"))[0] == 0
    assert len(desk.rows()) == 10_000
    assert "at most 10000" in desk("import", table(text + "\nzhang,senml,more"))[2]


def test_an_id_from_outside_cannot_steer_the_terminal():
    row = {
        "device": "47\x1b[2J\n1",
        "protocol": "watch",
        "frames": 2,
        "first_ms": 0,
        "last_ms": 1000,
        "peer": "p",
    }
    shown = as_claims([row])
    assert "47?[2J?1" in shown
    assert len(shown.splitlines()) == 2


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\u202e", "\u200b", "\x00", "\n", "\x7f"])
def test_an_id_that_could_steer_a_terminal_is_refused_and_shown_harmless(desk, table, sign):
    path = table(f"wearer,protocol,id,name\nzhang,watch,47{sign}11,x\n")
    refused = [desk(*ADD, f"b{sign}2"), desk("import", path)]
    for status, printed, complaint in refused:
        assert status == 2
        assert all(line.isprintable() for line in (printed + complaint).splitlines())
    assert not desk.store.exists() or desk.rows() == {}


def test_who_has_no_name_on_this_box_is_written_down_by_number(desk, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert desk(*ADD, "b2")[0] == 0
    assert f"uid {os.getuid()}" in desk("show", "b2")[1]


@pytest.mark.parametrize("typed", ["４７００", "e\u0301", "ｂ2"], ids=ascii)
def test_an_id_that_only_looks_like_what_a_band_says_is_refused(desk, typed):
    status, _, complaint = desk(*ADD, typed)
    assert (status, "full width" in complaint) == (2, True)
    assert desk(*ADD, "张家-2号")[0] == 0
