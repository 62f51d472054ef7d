"""How long a press takes: -> the band's PUBACK, -> the first text, -> the first dial; idle and under load.

Then: a gateway killed with -9 after its first dial, from the start of the next process to its next dial;
and how soon the modem rings when the internet is cut in the middle of a cascade (`bench.failover`).

Real processes: the gateway with its listener, the simulated Twilio, a load of other bands.
A press is a QoS 1 PUBLISH; the texts and dials are timed where they arrive, at the simulated Twilio's door.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import uvloop

from bench import failover
from bench.load import packet, string
from bench.site import free_port, gateway, process, write_site

WEARERS = 120
PRESSES = 50
RESTARTS = 15
LOAD_BANDS = 20
RATES = (0, 1000, 5000)
FAKE = """
import asyncio, json, sys, time
from aiohttp import web
from firmware_sim.people import Persona
from firmware_sim.twilio import TwilioFake

numbers = range(int(sys.argv[2]))
people = {f"+86138{n:08}": Persona(phone=f"+86138{n:08}", answer=sys.argv[3]) for n in numbers}
people |= {f"+86139{n:08}": Persona(phone=f"+86139{n:08}") for n in numbers}

class Timed(TwilioFake):
    @web.middleware
    async def _gate(self, request, handler):
        if request.method == "POST":
            at = time.time()
            try:
                to = (await request.post())["To"]
            except ConnectionResetError:  # the gateway was killed while it asked
                return web.Response(status=400)
            print(json.dumps([at, request.path.rpartition("/")[2], to]), flush=True)
        return await super()._gate(request, handler)

async def main():
    fake = Timed(account_sid="ACbench", auth_token="bench-token", people=people, port=int(sys.argv[1]),
                 callbacks=False)
    await fake.run(lambda url: print("ready", url, flush=True))
asyncio.run(main())
"""


class Presser(asyncio.Protocol):
    """One band that presses and waits for its PUBACK."""

    def __init__(self, device: str, key: str) -> None:
        self.device, self.key = device, key
        self.waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        transport = cast("asyncio.Transport", transport)
        self.transport = transport
        body = string("MQTT") + b"\x04\xc2\x00\x00" + string(self.device)
        transport.write(packet(0x10, body + string(self.device) + string(self.key)))

    def data_received(self, _data: bytes) -> None:
        """CONNACK, then PUBACK."""
        if not self.waiting.done():
            self.waiting.set_result(None)

    async def press(self) -> tuple[float, float]:
        """Press; gives the wall-clock time of the press and the seconds to the PUBACK."""
        self.waiting = asyncio.get_running_loop().create_future()
        at = time.time()
        pack = [
            {"bn": f"urn:dev:sw:{self.device}:", "bt": at, "n": "sos", "vb": True},
            {"n": "press", "v": 1},
        ]
        topic = string(f"sw/bench/{self.device}/up")
        self.transport.write(packet(0x32, topic + b"\x00\x01" + json.dumps(pack).encode()))
        await self.waiting
        return at, time.time() - at


async def press_all(port: int, keys: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Every given band presses once, one after the other."""
    figures = {}
    for device, key in keys.items():
        _, band = await asyncio.get_running_loop().create_connection(
            lambda device=device, key=key: Presser(device, key), "127.0.0.1", port
        )
        await band.waiting
        figures[device] = await band.press()
        await asyncio.sleep(0.05)
        band.transport.close()
    return figures


def main(*, seconds: float) -> None:
    """Print the table; `seconds` is how long the load lasts at least."""
    print(f"{'readings/s':>10} {'leg':>14} {'p50 ms':>8} {'p99 ms':>8}")
    for rate in RATES:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), rate, max(seconds, PRESSES * 0.12))
    with tempfile.TemporaryDirectory() as name:
        took_s = restart(Path(name))
    print_row("killed", "next dial", took_s)
    failover.main()


def measure(folder: Path, rate: int, seconds: float) -> None:
    """One row group of the table."""
    twilio_port, port = free_port(), free_port()
    config = write_site(
        folder,
        wearers=WEARERS,
        transports=f"[transports.mqtt_listener]\nport = {port}",
        twilio_port=twilio_port,
    )
    keys = json.loads((folder / "keys.json").read_text(encoding="utf-8"))
    names = list(keys)
    pressing = {name: keys[name] for name in names[:PRESSES]}
    loading = folder / "load.json"
    loading.write_text(json.dumps({name: keys[name] for name in names[-LOAD_BANDS:]}), encoding="utf-8")
    fake = (sys.executable, "-c", FAKE, str(twilio_port), str(WEARERS), "no_answer")
    load = (
        *(sys.executable, "-m", "bench.load", "--port", str(port), "--keys", str(loading), "--login"),
        *("--seconds", str(seconds + 5), "--rate", str(rate)),
    )
    with process(*fake, ready="ready") as door, process(*gateway(config), ready="ready"):
        time.sleep(4)  # the twilio library loads beside us; a site has done that long ago
        if rate:
            with process(*load, ready="connected"):
                figures = uvloop.run(press_all(port, pressing))
        else:
            figures = uvloop.run(press_all(port, pressing))
        time.sleep(1.5)
        door.terminate()
        assert door.stdout is not None
        heard = [json.loads(line) for line in door.stdout if line.startswith("[")]
    report(rate, figures, heard)


def restart(folder: Path) -> list[float]:
    """Seconds from the start of a process to the dial the killed one before it owed.

    The first contact is busy, so that the second is due at once:
    the new process has to find out about the first call and go on.
    """
    twilio_port, port = free_port(), free_port()
    config = write_site(
        folder,
        wearers=WEARERS,
        transports=f"[transports.mqtt_listener]\nport = {port}",
        twilio_port=twilio_port,
        second_contact=True,
    )
    keys = json.loads((folder / "keys.json").read_text(encoding="utf-8"))
    took_s = []
    with process(
        *(sys.executable, "-c", FAKE, str(twilio_port), str(WEARERS), "busy"), ready="ready"
    ) as door:
        for number, (device, key) in zip(range(RESTARTS), keys.items(), strict=False):
            with process(*gateway(config), ready="ready") as first:
                uvloop.run(press_all(port, {device: key}))
                dialled_at(door, f"+86138{number:08}")
                first.kill()
                first.wait()
            began_at = time.time()
            with process(*gateway(config), ready="ready"):
                took_s.append(dialled_at(door, f"+86139{number:08}") - began_at)
    return took_s


def dialled_at(door: subprocess.Popen[str], phone: str) -> float:
    """When the simulated Twilio was asked to call this telephone; waits for it."""
    assert door.stdout is not None
    for line in door.stdout:
        if line.startswith("["):
            at, asked, called = json.loads(line)
            if (asked, called) == ("Calls.json", phone):
                return float(at)
    raise RuntimeError("the simulated Twilio ended")


def report(rate: int, figures: dict[str, tuple[float, float]], heard: list[tuple[float, str, str]]) -> None:
    """Match what came to Twilio's door with the presses, by contact."""
    rows: dict[str, list[float]] = {"band ack": [took for _, took in figures.values()]}
    for what, path in (("first text", "Messages.json"), ("first dial", "Calls.json")):
        times: dict[str, float] = {}
        for at, asked, phone in heard:
            if asked == path:
                times.setdefault(phone, at)
        rows[what] = [
            times[phone] - pressed
            for device, (pressed, _) in figures.items()
            if (phone := f"+86138{int(device[5:]):08}") in times
        ]
    for what, values in rows.items():
        print_row(rate, what, values)


def print_row(rate: int | str, what: str, values: list[float]) -> None:
    """One line of the table; `values` are seconds."""
    if not values:
        print(f"{rate:>10} {what:>14}     none")
        return
    values.sort()
    p99 = values[min(len(values) - 1, int(len(values) * 0.99))]
    print(f"{rate:>10} {what:>14} {statistics.median(values) * 1e3:8.1f} {p99 * 1e3:8.1f}")
