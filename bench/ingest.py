"""Durable ingest: MQTT QoS 1 SenML through decode, rules and journal, against subscribers that only count.

Rows of the table (one run, one machine, shared cores: read the ratios and the cpu microseconds):
  mosquitto_sub        a C subscriber behind Mosquitto that reads and throws away
  bare aiomqtt         a Python subscriber behind Mosquitto that counts
  listener             bands straight on the gateway's listener; PUBACK after the commit
  through Mosquitto    Mosquitto, aiomqtt with manual acknowledgement after the commit
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.site import ROOT, cpu_s, free_port, gateway, process, write_site

BANDS = 50
COUNTER = """
import asyncio, sys, aiomqtt
async def main():
    async with aiomqtt.Client("127.0.0.1", int(sys.argv[1]), identifier="counter") as client:
        await client.subscribe("sw/bench/+/up", qos=1)
        print("ready", flush=True)
        count = 0
        async for _ in client.messages:
            count += 1
            if count % 500 == 0:
                print(count, flush=True)
asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """Messages a second, and the consumer's own cpu microseconds a message."""

    name: str
    messages_a_s: float
    cpu_us: float


def offer(port: int, folder: Path, seconds: float, *, login: bool) -> dict[str, float]:
    """Run the load against a port; gives what it printed."""
    command = [
        *(sys.executable, "-m", "bench.load", "--port", str(port)),
        *("--keys", str(folder / "keys.json"), "--seconds", str(seconds)),
        *(["--login"] if login else []),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures


def committed(path: Path) -> int:
    """Events in a journal."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (count,) = connection.execute("select coalesce(max(seq), 0) from events").fetchone()
    connection.close()
    return int(count)


def mosquitto_config(folder: Path, port: int) -> str:
    """A plain broker on loopback that drops nothing."""
    path = folder / "mosquitto.conf"
    path.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        "max_inflight_messages 1000\nset_tcp_nodelay true\nuser root\nlog_type error\n",
        encoding="ascii",
    )
    return str(path)


def behind_mosquitto(name: str, folder: Path, port: int, command: tuple[str, ...], seconds: float) -> Figure:
    """A consumer behind Mosquitto: how many it has handled when the load ends, and at what cost."""
    with process(*command, ready="ready") as consumer:
        before = cpu_s(consumer.pid)
        began = time.perf_counter()
        offer(port, folder, seconds, login=False)
        handled = 0
        if name == "through Mosquitto":
            handled = committed(folder / "var" / "gw-bench.journal.db")
            took = time.perf_counter() - began
            used = cpu_s(consumer.pid) - before
        else:
            took = time.perf_counter() - began
            used = cpu_s(consumer.pid) - before
            consumer.terminate()
            assert consumer.stdout is not None
            handled = int((consumer.stdout.read().split() or ["0"])[-1])
    return Figure(name, handled / took, used / max(handled, 1) * 1e6)


def c_subscriber(folder: Path, port: int, seconds: float) -> Figure:
    """mosquitto_sub, its output counted by bytes of one dot a message."""
    out = folder / "sub.out"
    with out.open("wb") as file:
        subscriber = subprocess.Popen(
            ["mosquitto_sub", "-p", str(port), "-q", "1", "-t", "sw/bench/+/up", "-F", "."], stdout=file
        )
        time.sleep(0.5)
        before, began = cpu_s(subscriber.pid), time.perf_counter()
        offer(port, folder, seconds, login=False)
        took, used = time.perf_counter() - began, cpu_s(subscriber.pid) - before
        handled = out.stat().st_size // 2
        subscriber.terminate()
        subscriber.wait()
    return Figure("mosquitto_sub", handled / took, used / max(handled, 1) * 1e6)


def listener(folder: Path, seconds: float) -> Figure:
    """Bands straight on the gateway."""
    port = free_port()
    config = write_site(
        folder,
        wearers=BANDS,
        transports=f"[transports.mqtt_listener]\nport = {port}",
        twilio_port=free_port(),
    )
    with process(*gateway(config), ready="ready") as running:
        before = cpu_s(running.pid)
        figures = offer(port, folder, seconds, login=True)
        used = cpu_s(running.pid) - before
    return Figure(
        "listener", figures["acknowledged"] / figures["seconds"], used / figures["acknowledged"] * 1e6
    )


def main(*, seconds: float) -> None:
    """Print the table."""
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        raise SystemExit("this bench needs Debian's mosquitto and mosquitto-clients")
    figures = []
    with tempfile.TemporaryDirectory() as name:
        figures.append(listener(Path(name), seconds))
    for kind in ("mosquitto_sub", "bare aiomqtt", "through Mosquitto"):
        with tempfile.TemporaryDirectory() as name:
            folder, port = Path(name), free_port()
            config = write_site(
                folder,
                wearers=BANDS,
                transports=f'[transports.mqtt_client]\nhost = "127.0.0.1"\nport = {port}',
                twilio_port=free_port(),
            )
            broker = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
            with process(broker, "-c", mosquitto_config(folder, port)):
                time.sleep(0.5)
                if kind == "mosquitto_sub":
                    figures.append(c_subscriber(folder, port, seconds))
                elif kind == "bare aiomqtt":
                    command = (sys.executable, "-c", COUNTER, str(port))
                    figures.append(behind_mosquitto(kind, folder, port, command, seconds))
                else:
                    figures.append(behind_mosquitto(kind, folder, port, gateway(config), seconds))
    by_name = {figure.name: figure for figure in figures}
    print(f"{'consumer':20} {'messages/s':>11} {'cpu µs each':>12}")
    for figure in figures:
        print(f"{figure.name:20} {figure.messages_a_s:11,.0f} {figure.cpu_us:12.1f}")
    for one, other in (("listener", "mosquitto_sub"), ("through Mosquitto", "bare aiomqtt")):
        ratio = by_name[one].messages_a_s / by_name[other].messages_a_s
        print(f"{one} / {other}: {ratio:.2f} of its messages a second")
