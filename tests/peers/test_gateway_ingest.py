"""Real clients against the real gateway process: acknowledged after the row, and once is once."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time

import paho.mqtt.client as paho
import pytest

SOS = '[{"bn":"urn:dev:sw:band-zhang:","n":"sos","vb":true},{"n":"press","v":7}]'


def key(house, device="band-zhang") -> str:
    return (house.folder / "var/secrets" / device).read_text()


def telemetry(house) -> int:
    return house.query("select count(*) from events where kind = 'telemetry'")[0][0]


def incidents(house) -> list[tuple]:
    return house.query("select wearer, kind from incidents")


def publish(house, *more: str) -> subprocess.CompletedProcess[str]:
    """Publish one SOS with the real mosquitto_pub, which exits 0 only after its PUBACK."""
    return subprocess.run(
        [
            *("mosquitto_pub", "-h", "127.0.0.1", "-p", house.ports["18830"], "-q", "1"),
            *("-u", "band-zhang", "-P", key(house), "-t", "sw/xinhe/band-zhang/up", "-m", SOS, *more),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_mosquitto_pub_has_its_puback_only_when_the_row_is_in_the_journal(house, version):
    there = house()
    there.start("gateway")
    run = publish(there, "-V", version)
    assert (run.returncode, run.stderr) == (0, "")
    assert telemetry(there) == 1
    assert incidents(there) == [("zhang-guilan", "sos")]


@pytest.mark.slow
def test_no_puback_while_the_journal_cannot_commit(house):
    """Another process holds the write lock: the press waits, and is acknowledged after the lock is gone."""
    there = house()
    there.start("gateway")
    lock = sqlite3.connect(there.journal, isolation_level=None)
    lock.execute("begin immediate")
    waiting = subprocess.Popen(
        [
            *("mosquitto_pub", "-h", "127.0.0.1", "-p", there.ports["18830"], "-q", "1"),
            *("-u", "band-zhang", "-P", key(there), "-t", "sw/xinhe/band-zhang/up", "-m", SOS),
        ]
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(2)
    assert telemetry(there) == 0
    lock.execute("rollback")
    lock.close()
    assert waiting.wait(30) == 0
    assert telemetry(there) == 1


@pytest.mark.slow
def test_paho_delivers_twice_and_there_is_one_incident(house):
    there = house()
    there.start("gateway")
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="band-zhang")
    client.username_pw_set("band-zhang", key(there))
    client.connect("127.0.0.1", int(there.ports["18830"]))
    client.loop_start()
    for _ in range(2):
        client.publish("sw/xinhe/band-zhang/up", SOS, qos=1).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()
    assert telemetry(there) == 2
    assert len(incidents(there)) == 1


@pytest.mark.slow
def test_a_wrong_key_is_refused_and_nothing_is_stored(house):
    there = house()
    there.start("gateway")
    run = publish(there, "-P", "wrong")
    assert run.returncode != 0
    assert telemetry(there) == 0


BROKER = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 0
user root
"""


@pytest.fixture
def broker(tmp_path, free_port):
    """A real Mosquitto on a free port; gives the port."""
    port = free_port()
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    (folder / "conf").write_text(BROKER.format(port=port, folder=folder))
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert program, "Debian's mosquitto is not installed (make test installs it)"
    process = subprocess.Popen([program, "-c", str(folder / "conf")], stderr=subprocess.DEVNULL)
    yield port
    process.terminate()
    process.wait()


def through_broker(port: int) -> dict[str, str]:
    """The shipped configuration with the site's broker instead of the listener."""
    listener = (
        '[transports.mqtt_listener]          # bands straight to this box. 手环直连本机\nhost = "127.0.0.1"'
    )
    client = f'[transports.mqtt_client]\nhost = "127.0.0.1"\nport = {port}\n\n'
    return {listener: client + listener}


@pytest.mark.slow
def test_a_kill_between_receipt_and_commit_makes_mosquitto_deliver_again(house, broker):
    """The write lock holds the commit up; the gateway dies with the message in its hands."""
    there = house(**through_broker(broker))
    gateway = there.start("gateway")
    lock = sqlite3.connect(there.journal, isolation_level=None)
    lock.execute("begin immediate")
    publish_to = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker), "-q", "1"]
    subprocess.run([*publish_to, "-t", "sw/xinhe/band-zhang/up", "-m", SOS], check=True, timeout=30)
    time.sleep(1)  # long enough to be received; the lock keeps it from being committed, however long
    gateway.kill()
    lock.execute("rollback")
    lock.close()
    assert telemetry(there) == 0
    there.start("gateway")
    ends = time.monotonic() + 30
    while telemetry(there) == 0 and time.monotonic() < ends:
        time.sleep(0.1)
    assert telemetry(there) == 1
    assert len(incidents(there)) == 1


@pytest.mark.slow
def test_a_message_delivered_twice_by_the_broker_is_one_incident(house, broker):
    there = house(**through_broker(broker))
    there.start("gateway")
    publish_to = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker), "-q", "1"]
    for _ in range(2):
        subprocess.run([*publish_to, "-t", "sw/xinhe/band-zhang/up", "-m", SOS], check=True, timeout=30)
    ends = time.monotonic() + 30
    while telemetry(there) < 2 and time.monotonic() < ends:
        time.sleep(0.1)
    assert telemetry(there) == 2
    assert len(incidents(there)) == 1


@pytest.mark.slow
def test_a_coap_post_is_answered_2_04_after_the_row(house):
    """Debian's libcoap client posts a SenML reading."""
    there = house()
    there.start("gateway")
    address = f"coap://127.0.0.1:{there.ports['15683']}/sw/xinhe/band-chen/up?k={key(there, 'band-chen')}"
    payload = json.dumps([{"bn": "urn:dev:sw:band-chen:", "n": "hr", "u": "beat/min", "v": 72}])
    run = subprocess.run(
        ["coap-client-notls", "-m", "post", "-t", "110", "-e", payload, "-v", "7", "-B", "10", address],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "2.04" in run.stdout + run.stderr
    assert telemetry(there) == 1


@pytest.mark.slow
def test_the_gateway_listens_without_importing_twilio_or_geopandas(house):
    """No wall clock is asserted: what is proved is that nothing heavy is imported to listen."""
    there = house()
    there.start("gateway")
    code = (
        "import sys; from pathlib import Path; import shouwang; from gateway.app import Gateway;"
        f"s = shouwang.checked_settings(Path({str(there.config)!r})); Gateway;"
        "print([m for m in ('twilio', 'geopandas', 'pandas', 'flask') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
