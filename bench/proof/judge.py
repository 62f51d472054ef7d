"""What must hold when all is quiet again, told from the world and from what lies on the disk.

Lost is
- a press the band had an acknowledgement for, and no incident has it; or one never acknowledged at all;
- an incident that did not end with a person who pressed 1;
- a person of the family whom neither a text nor a call has reached, and who was not the one to take it;
- a call that was due and never placed, without an honest reason (refused, no carrier, settled as absent).

Doubled is
- two calls that rang for one (incident, round, contact);
- two texts of one (incident, contact, purpose, number);
- two incidents of one wearer at a time.

Undecidable is what the record cannot prevent and `docs/sos.md` chooses to repeat:
a text through the modem, which keeps no list of what it sent,
and a call through the modem that was over before the next process could look at the line.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import msgspec

from bench.proof.bands import Press
from bench.proof.world import Placed, World
from gateway.incident_rows import Stored
from sos.events import Channel, LegState
from sos.incident import Incident, LegFacts, Phase

AT_REST = frozenset({Phase.ACKNOWLEDGED, Phase.RESOLVED, Phase.CANCELLED})
LOOKS_S = 1.5
"""So soon after its start a process has looked at the modem's line."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, in words; nothing is good."""

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    undecidable_texts: int = 0
    undecidable_calls: int = 0


@dataclass(frozen=True, slots=True)
class Disk:
    """What the last process left in the journal: incidents by id, and which incident an alarm is in."""

    incidents: Mapping[str, Incident]
    alarms: Mapping[str, str | None]

    @classmethod
    def read(cls, journal: Path) -> Self:
        """Read it as anybody could."""
        connection = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
        try:
            bodies = connection.execute("select body from incidents").fetchall()
            alarms = dict(connection.execute("select alarm_id, incident from alarms").fetchall())
        finally:
            connection.close()
        stored = [msgspec.json.decode(body, type=Stored) for (body,) in bodies]
        return cls({one.incident.incident_id: one.incident for one in stored}, alarms)


def judge(disk: Disk, world: World, presses: Sequence[Press], starts: Sequence[float]) -> Verdict:
    """Look at the disk and at the world; `starts` is when each process began, in virtual seconds."""
    incidents = disk.incidents
    lost = _lost_presses(presses, disk)
    for incident in incidents.values():
        lost += _lost_people(incident, world)
    doubled, texts, calls = _doubled(world, starts)
    doubled += _doubled_incidents(incidents)
    return Verdict(tuple(lost), tuple(doubled), texts, calls)


def _lost_presses(presses: Sequence[Press], disk: Disk) -> list[str]:
    lost = []
    for press in presses:
        who = f"press {press.number} of {press.wearer}"
        if press.acknowledged_s is None:
            lost.append(f"{who} was never acknowledged")
        begin = f"sos.band-{press.wearer}.p{press.number}."
        if not any(name.startswith(begin) and into in disk.incidents for name, into in disk.alarms.items()):
            lost.append(f"{who} has no incident")
    return lost


# --------------------------------------------------------------------------- who was told


def _lost_people(incident: Incident, world: World) -> list[str]:
    name, lost = incident.incident_id, []
    if incident.phase not in AT_REST:
        lost.append(f"{name} is still {incident.phase.value}")
    elif (name, incident.acknowledged_contact) not in world.pressed:
        lost.append(f"{name} was taken by {incident.acknowledged_contact}, who pressed nothing")
    mine = [placed for placed in world.placed if placed.leg.incident == name]
    reached = {(placed.leg.contact, placed.leg.channel) for placed in mine}
    texts = [facts.leg for facts in incident.legs if facts.leg.channel is Channel.TEXT]
    due = {person.contact for person in incident.plan.family}
    due |= {leg.contact for leg in texts if leg.purpose == "alarm"}
    due -= {incident.acknowledged_contact} | {who for who, channel in reached if channel is Channel.TEXT}
    lost += [f"{name}: {contact} had no text" for contact in sorted(due)]
    ids = {placed.leg.leg_id for placed in mine}
    lost += [
        f"{facts.leg.leg_id} is {facts.state.value} ({facts.detail}) and was never made"
        for facts in incident.legs
        if facts.leg.leg_id not in ids and not _honest(facts, world.asked.get(facts.leg.leg_id, []))
    ]
    return lost


def _honest(facts: LegFacts, asked: Sequence[str]) -> bool:
    """Whether a leg that no carrier ever made has a reason that the world bears out."""
    match facts.state:
        case LegState.FAILED:
            return "refused" in asked
        case LegState.UNREACHED:
            return not asked or "down" in asked
        case LegState.ABSENT:
            return "taken" not in asked
        case LegState.HUNG_UP | LegState.NO_KEY:
            return True
        case LegState.ORDERED:
            return facts.leg.channel is Channel.TEXT and facts.leg.purpose != "cancelled"
        case _:
            return False


# --------------------------------------------------------------------------- who was told twice


def _doubled(world: World, starts: Sequence[float]) -> tuple[list[str], int, int]:
    groups: dict[tuple[object, ...], list[Placed]] = defaultdict(list)
    for placed in world.placed:
        leg = placed.leg
        groups[leg.incident, leg.contact, leg.channel, leg.purpose, leg.round].append(placed)
    doubled: list[str] = []
    texts = calls = 0
    for copies in groups.values():
        for first, second in pairwise(copies):
            if first.carrier != "modem":
                doubled.append(f"{first.leg.leg_id} and {second.leg.leg_id}")
            elif first.leg.channel is Channel.TEXT:
                texts += 1
            elif _unseen(first, second, starts):
                calls += 1
            else:
                doubled.append(f"{first.leg.leg_id} and {second.leg.leg_id} (modem)")
    return doubled, texts, calls


def _unseen(first: Placed, second: Placed, starts: Sequence[float]) -> bool:
    """Whether a process began between two calls, when the first was over already."""
    return any(
        first.created_s < start < second.created_s and first.is_over(start + LOOKS_S) for start in starts
    )


def _doubled_incidents(incidents: Mapping[str, Incident]) -> list[str]:
    wearers = [incident.wearer for incident in incidents.values()]
    return [f"{wearer} has two incidents" for wearer in sorted(set(wearers)) if wearers.count(wearer) > 1]
