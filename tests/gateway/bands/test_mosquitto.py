"""The files for a site's Mosquitto: who is in them, what they may do, how they are written."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.bands.keys import derive
from gateway.bands.mosquitto import Account, MosquittoTable, files
from gateway.bands.registry import Device
from gateway.config import load
from gateway.desk import mosquitto as desk
from gateway.errors import ConfigError, NeedsHuman

ACCOUNT = Account(username="gateway", verifier="$7$101$c2FsdA==$aGFzaA==", port=1883)

TABLES = """
[transports.mqtt_client]
host = "127.0.0.1"
port = 1884
username = "gateway"
password = { file = "broker" }
[transports.mqtt_client.mosquitto]
dir = "broker.d"
pid_file = "mosquitto.pid"
port = 1885
"""


def band(name: str, *, protocol: str = "senml", key: str = "k") -> Device:
    return Device(device=name, protocol=protocol, wearer="zhang", keys=derive(key, salt=b"s" * 12))


def made(*devices: Device, account: Account = ACCOUNT, **table: object) -> dict[str, str]:
    wish = MosquittoTable(**{"dir": "d", **table})
    return files(devices, community="xinhe", account=account, table=wish, folder="/d").texts


def test_every_band_with_a_key_may_write_its_uplink_and_read_its_downlink_and_nothing_else():
    texts = made(band("b-2"), band("b-1"), band("watch-1", protocol="watch"), band("keyless", key=""))
    names = [line.split(":")[0] for line in texts["passwd"].splitlines()]
    assert names == ["gateway", "b-1", "b-2"]
    rights = [line for line in texts["acl"].splitlines() if line and not line.startswith("#")]
    assert rights == [
        *("user gateway", "topic read sw/xinhe/+/up", "topic write sw/xinhe/+/down"),
        *("user b-1", "topic read sw/xinhe/b-1/down", "topic write sw/xinhe/b-1/up"),
        *("user b-2", "topic read sw/xinhe/b-2/down", "topic write sw/xinhe/b-2/up"),
    ]


@pytest.mark.parametrize(
    "name",
    ["a:b", "a b", "a/b", "+", "#", "$SYS", "a\ntopic readwrite #", "", "x" * 129, "gateway", "甲\u3000"],
)
def test_an_id_that_would_change_the_meaning_of_a_file_is_left_out_and_named(name):
    device = Device(device="d", wire_id=name or "d d", protocol="senml", wearer="zhang", keys=derive("k"))
    found = files([device], community="xinhe", account=ACCOUNT, table=MosquittoTable(dir="d"), folder="/d")
    assert found.left_out == (device.wire_id,)
    assert found.texts["passwd"] == f"gateway:{ACCOUNT.verifier}\n"
    assert found.texts["acl"].count("user ") == 1


def test_the_gateway_has_a_door_of_its_own_and_a_band_cannot_take_over_a_session():
    conf = made(
        certificate="/c.pem", key_file="/k.key", client_ca="/ca.pem", host="0.0.0.0", user="mosquitto"
    )
    lines = conf["mosquitto.conf"].splitlines()
    assert lines.index("listener 1883 127.0.0.1") < lines.index("listener 8883 0.0.0.0")
    assert {
        "use_username_as_clientid true",
        "allow_anonymous false",
        "certfile /c.pem",
        "keyfile /k.key",
    } <= {*lines}
    assert {"cafile /ca.pem", "require_certificate true", "tls_version tlsv1.2", "user mosquitto"} <= {*lines}


def test_only_where_several_workers_come_to_the_bands_door_are_client_ids_free():
    for workers in (False, True):
        account = Account(username="gateway", verifier="", port=None, workers=workers)
        conf = made(account=account)["mosquitto.conf"]
        assert conf.count("listener ") == 1
        assert ("use_username_as_clientid" in conf) is not workers


@pytest.mark.parametrize(
    "wrong", [{"host": "0.0.0.0"}, {"certificate": "c"}, {"key_file": "k"}, {"client_ca": "c"}]
)
def test_a_table_that_would_leak_keys_is_refused(wrong):
    with pytest.raises(ValueError, match="certificate"):
        MosquittoTable(dir="d", **wrong)
    assert MosquittoTable(dir="d", host="0.0.0.0", plain="network").plain == "network"


def test_the_broker_needs_an_account_for_the_gateway(small_config):
    with pytest.raises(ConfigError, match="username for the gateway"):
        load(small_config(more=TABLES.replace('username = "gateway"\n', "")))


@pytest.fixture
def site(small_config, tmp_path, monkeypatch):
    """A checked configuration with such a broker, and the folder for its files."""
    (tmp_path / "broker").write_text("gateway-key")
    (tmp_path / "var/secrets").mkdir(parents=True)
    (tmp_path / "var/secrets/band-zhang").write_text("band-key")
    (tmp_path / "broker.d").mkdir()
    config = small_config(more=TABLES)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(config=config, settings=load(config), folder=tmp_path / "broker.d")


def test_the_files_are_written_whole_for_their_group_alone(site):
    said = desk.follow(site.settings)
    assert "passwd, acl, mosquitto.conf written" in said
    assert "does not run" in said
    assert sorted(path.name for path in site.folder.iterdir()) == ["acl", "mosquitto.conf", "passwd"]
    for path in site.folder.iterdir():
        assert (path.stat().st_mode & 0o777, path.stat().st_gid) == (0o640, site.folder.stat().st_gid)
    passwords = dict(line.split(":") for line in (site.folder / "passwd").read_text().splitlines())
    assert set(passwords) == {"gateway", "band-zhang"}
    assert f"password_file {site.folder}/passwd\n" in (site.folder / "mosquitto.conf").read_text()


def test_the_command_writes_where_it_is_told(site, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    options = SimpleNamespace(config=site.config, out=Path("elsewhere"), reload=None)
    assert desk.run(options) == 0
    assert f"{tmp_path}/elsewhere/acl" in (tmp_path / "elsewhere/mosquitto.conf").read_text()
    assert "band-key" not in capsys.readouterr().out
    assert desk.run(SimpleNamespace(config=site.config, out=Path("nowhere"), reload=None)) == 2
    assert "old files" in capsys.readouterr().err


def test_a_site_without_such_a_broker_writes_nothing(small_config):
    assert desk.follow(load(small_config())) == ""


def test_no_password_for_the_gateway_is_no_empty_one(site, tmp_path):
    (tmp_path / "broker").unlink()
    with pytest.raises(NeedsHuman, match="no password"):
        desk.follow(load(site.config))
    assert not list(site.folder.iterdir())


def test_a_number_of_another_program_is_never_signalled(site, tmp_path):
    other = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "mosquitto.pid").write_text(f"{other.pid}\n")
        assert "earlier run" in desk.follow(site.settings)
        assert other.poll() is None
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()


def test_a_pid_file_that_is_none_says_that_the_old_files_stay(site, tmp_path):
    (tmp_path / "mosquitto.pid").write_text("soon\n")
    with pytest.raises(NeedsHuman, match="old files"):
        desk.follow(site.settings)
