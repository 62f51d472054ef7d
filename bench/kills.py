"""Kill -9 at random moments while bands press without a pause: what was lost, who was rung twice.

Everything around the gateway outlives it (`bench.street`), and the gateway is a real process each time.
Most starts are forked from a warm process (`bench.warm`), so that the kill strikes our own start-up;
every `COLD_EVERY`th is `python -m shouwang gateway`, imports and all.
Now and then Twilio is off the network, and the modem carries on.

`python -m bench.kills --kills 200` prints one line and exits 1 when anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from aiocoap import Context

from bench.audit import Books, audit, read
from bench.bands import COMMUNITY, KEY, Band, CoapWire, MqttWire, Pressed, WatchWire, Wire
from bench.site import free_port
from bench.street import ACCOUNT, GATEWAY, PORTAL_TOKEN, TOKEN, Street
from bench.warm import Warm, warm
from firmware_sim.people import Answer, Persona

WEARERS = 12
COLD_EVERY = 20
COLD_S = 1.0
"""How much longer a cold one may live, because it imports first."""
PRESS_EVERY_S = (0.5, 5.0)
OUTAGE_EVERY_S, OUTAGE_S = 12.0, 4.0
SETTLE_S = 2.0
SETTLED_WITHIN_S = 90.0
KILLED_BY_US = -9
UPTIMES_S = ((0.0, 0.12, 40), (0.08, 0.45, 45), (0.45, 1.6, 15))
"""How long a gateway lives: from, to, and how often of a hundred; the first kind dies in its start-up."""


@dataclass(slots=True)
class Rig:
    """One gateway's configuration and the bands that press on it."""

    folder: Path
    ports: dict[str, int]
    people: dict[str, Persona] = field(default_factory=dict)
    family: dict[str, list[str]] = field(default_factory=dict)
    bands: list[tuple[str, str, str]] = field(default_factory=list)
    """(wearer, device, wire)"""

    @property
    def config(self) -> Path:
        """The gateway's file."""
        return self.folder / "config.toml"

    @property
    def journal(self) -> Path:
        """The gateway's journal."""
        return self.folder / "var" / f"{GATEWAY}.journal.db"


HARD_TO_REACH: tuple[Answer, ...] = ("busy", "rejects", "voicemail", "no_answer", "presses", "presses")
OFTEN_THERE: tuple[Answer, ...] = ("busy", "answers", "presses", "presses")
THERE: tuple[Answer, ...] = ("presses",)


def answering(dice: random.Random, place: int, phone: str) -> Persona:
    """How this telephone behaves: the first of a family is hard to reach, the last one answers."""
    return Persona(
        phone=phone,
        answer=dice.choice((HARD_TO_REACH, OFTEN_THERE, THERE)[place]),
        after_s=dice.uniform(0.05, 1.5 if place == 0 else 0.5),
        key_after_s=dice.uniform(0.05, 0.6),
    )


def make_rig(folder: Path, dice: random.Random, *, wearers: int = WEARERS) -> Rig:
    """Draw the people and the bands."""
    rig = Rig(folder, {name: free_port() for name in ("mqtt", "coap", "tcp")})
    for number in range(wearers):
        wearer, wire = f"w{number}", ("mqtt", "tcp", "coap")[number % 3]
        device = f"47001865{number:02}" if wire == "tcp" else f"band-{number}"
        phones = [f"+86138{number:04}{place:04}" for place in range(3)]
        rig.family[wearer] = phones
        rig.bands.append((wearer, device, wire))
        for place, phone in enumerate(phones):
            rig.people[phone] = answering(dice, place, phone)
    rig.people["+8613900000000"] = answering(dice, 2, "+8613900000000")
    return rig


def write_config(rig: Rig, *, twilio_url: str, door: int, modem: Path) -> None:
    """Write config.toml and the secrets beside it."""
    secrets = rig.folder / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    for name, secret in (("twilio", TOKEN), ("portal", PORTAL_TOKEN)):
        (secrets / name).write_text(secret, encoding="ascii")
    lines = [
        'mode = "demo"',
        f'[site]\ngateway = "{GATEWAY}"\ncommunity = "{COMMUNITY}"\nname = "kills"\ndata_dir = "var"',
        f"[transports.mqtt_listener]\nport = {rig.ports['mqtt']}",
        f"[transports.coap]\nport = {rig.ports['coap']}",
        f'[transports.tcp]\nlisteners = [{{ port = {rig.ports["tcp"]}, protocol = "watch" }}]',
        # a busy machine must not make the gateway place what is not yet on disk: that is another proof
        f'[sos]\ncarriers = ["twilio", "gsm_modem"]\nsettle_s = {SETTLE_S}\nmax_commit_wait_ms = 10000',
        "[sos.plans.sos]\nring_timeout_s = 5\nrounds = 3\nrepeat_after_s = 10",
        f'[carriers.twilio]\naccount_sid = "{ACCOUNT}"\nauth_token = {{ file = "secrets/twilio" }}',
        f'from_number = "+15005550006"\ncallback_url = "http://127.0.0.1:{door}/twilio"',
        f'base_url = "{twilio_url}"',
        f'[carriers.gsm_modem]\npath = "{modem}"\npoll_s = 0.1\nreopen_min_s = 0.2',
        f'[portal_link]\nurl = "http://127.0.0.1:{door}"\ntoken = {{ file = "secrets/portal" }}',
        '[[staff]]\nid = "duty"\nname = "值班"\nphone = "+8613900000000"',
    ]
    for wearer, device, wire in rig.bands:
        key = ""
        if wire != "tcp":
            (secrets / device).write_text(KEY.format(device), encoding="ascii")
            key = f', key = {{ file = "secrets/{device}" }}'
        protocol = "watch" if wire == "tcp" else "senml"
        contacts = ", ".join(
            f'{{ id = "c{place}", name = "李{place}", phone = "{phone}" }}'
            for place, phone in enumerate(rig.family[wearer])
        )
        lines.append(
            f'[[wearers]]\nid = "{wearer}"\nname = "王{wearer}"\n'
            f'devices = [{{ id = "{device}", protocol = "{protocol}"{key} }}]\ncontacts = [{contacts}]'
        )
    rig.config.write_text("\n".join(lines), encoding="utf-8")


@dataclass(slots=True)
class Killer:
    """Starts and kills gateways until told enough; `died_alone` lists exits that were not our doing."""

    rig: Rig
    warm: Warm
    dice: random.Random
    kills: int = 0
    died_alone: list[int] = field(default_factory=list)

    def uptime_s(self) -> float:
        """Draw how long the next one lives."""
        low, high, _ = self.dice.choices(UPTIMES_S, weights=[share for *_, share in UPTIMES_S])[0]
        return self.dice.uniform(low, high)

    async def kill_one(self) -> None:
        """One life of a gateway."""
        cold = self.kills % COLD_EVERY == COLD_EVERY - 1
        pid = await asyncio.to_thread(self.warm.start, cold=cold)
        await asyncio.sleep(self.uptime_s() + (self.dice.uniform(0.0, COLD_S) if cold else 0.0))
        status = await asyncio.to_thread(self.warm.kill, pid)
        self.kills += 1
        if status != KILLED_BY_US:
            self.died_alone.append(status)


async def wires(rig: Rig, context: Context) -> dict[str, Wire]:
    """The three ways to press."""
    return {
        "mqtt": MqttWire(rig.ports["mqtt"]),
        "tcp": WatchWire(rig.ports["tcp"]),
        "coap": CoapWire(rig.ports["coap"], context),
    }


async def press_for_ever(band: Band, dice: random.Random, every_s: tuple[float, float]) -> None:
    """Press, wait for the acknowledgement, live a little, press again; until cancelled."""
    while True:
        await asyncio.sleep(dice.uniform(*every_s))
        await band.press()


def open_ends(journal: Path) -> list[str]:
    """What a gateway still has to do: incidents not over, legs whose outcome is unknown."""
    found = read(journal, "select incident_id from incidents where state not in ('resolved', 'cancelled')")
    unknown = "select leg_id from legs where state in ('intended', 'ambiguous') and reference is null"
    orders = (
        "select json_extract(body, '$.leg.leg_id') from outbox where done_ms is null and kind like '%Text'"
    )
    return [str(row[0]) for row in (*found, *read(journal, unknown), *read(journal, orders))]


@dataclass(slots=True)
class Run:
    """What a whole run gave."""

    kills: int
    seconds: float
    books: Books
    outages: int
    died_alone: Sequence[int]
    left_open: Sequence[str]

    @property
    def clean(self) -> bool:
        """Whether the promise held."""
        return self.books.clean and not self.died_alone and not self.left_open

    def sentence(self) -> str:
        """The figures in one line."""
        books = self.books
        return (
            f"{self.kills} kills in {self.seconds:.0f} s, {books.presses} presses,"
            f" {books.acknowledged} acknowledged, {books.incidents} incidents, {books.calls} calls,"
            f" {books.texts} texts, {self.outages} outages of Twilio:"
            f" lost {len(books.lost)}, doubled {len(books.doubled)},"
            f" undecidable {len(books.undecidable)}, spared texts {books.spared},"
            f" journal faults {len(books.faults)}"
        )

    def complaints(self) -> list[str]:
        """Everything that is wrong, in words."""
        books = self.books
        alone = [f"a gateway ended by itself with status {status}" for status in self.died_alone]
        still = [f"still open at the end: {name}" for name in self.left_open]
        return [*books.lost, *books.doubled, *books.faults, *alone, *still]

    def remarks(self) -> list[str]:
        """What is not wrong, but worth a look."""
        return [f"undecidable: {said}" for said in self.books.undecidable]


async def kill_many(folder: Path, *, kills: int, seed: int) -> Run:
    """Kill so many gateways, then let one finish what is left, and compare the books."""
    dice = random.Random(seed)
    began = time.monotonic()
    rig = make_rig(folder, dice)
    street = Street(modem_path=folder / "modem0", people=rig.people, seed=seed)
    outside = asyncio.create_task(street.run())
    context = await Context.create_client_context(transports=["simple6"])
    try:
        await asyncio.wait_for(street.ready.wait(), 20)
        write_config(rig, twilio_url=street.twilio.url, door=street.door.port, modem=folder / "modem0")
        on_wire = await wires(rig, context)
        bands = [Band(wearer, device, on_wire[wire]) for wearer, device, wire in rig.bands]
        killer = await _kill_while_pressing(rig, street, bands, dice, kills)
        left = await _finish(rig, bands)
    finally:
        outside.cancel()
        with suppress(asyncio.CancelledError):
            await outside
        await context.shutdown()
    presses: list[Pressed] = [press for band in bands for press in band.presses]
    books = audit(rig.journal, presses=presses, calls=street.calls(), texts=street.texts(), family=rig.family)
    return Run(killer.kills, time.monotonic() - began, books, street.outages, killer.died_alone, left)


async def _kill_while_pressing(
    rig: Rig, street: Street, bands: Sequence[Band], dice: random.Random, kills: int
) -> Killer:
    pressing = [asyncio.create_task(press_for_ever(band, dice, PRESS_EVERY_S)) for band in bands]
    weather = asyncio.create_task(
        street.cut_the_line(dice, every_s=OUTAGE_EVERY_S, for_s=OUTAGE_S), name="outages"
    )
    with warm(rig.config, rig.folder / "gateway.log") as warmed:
        killer = Killer(rig, warmed, dice)
        try:
            while killer.kills < kills:
                await killer.kill_one()
        finally:
            for task in (*pressing, weather):
                task.cancel()
            for ended in await asyncio.gather(*pressing, weather, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended
    return killer


async def _finish(rig: Rig, bands: Sequence[Band]) -> list[str]:
    """One last gateway: bands send what was not acknowledged, and every cascade comes to its end."""
    with warm(rig.config, rig.folder / "gateway.log") as warmed:
        warmed.start()
        ends = time.monotonic() + SETTLED_WITHIN_S
        await asyncio.gather(*(band.again() for band in bands))
        left = open_ends(rig.journal)
        while left and time.monotonic() < ends:
            await asyncio.sleep(0.5)
            left = open_ends(rig.journal)
    return left


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, print; 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, help="keep everything here; else a temporary folder")
    options = parser.parse_args(arguments)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a killed client is what we are here for
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        run = uvloop.run(kill_many(folder, kills=options.kills, seed=options.seed))
    for line in (*run.remarks(), *run.complaints()):
        print(line)
    print(run.sentence(), flush=True)
    return 0 if run.clean else 1


if __name__ == "__main__":
    sys.exit(main())
