"""What outlives the process: the carriers with their books, the telephones, the portal's relay, the bands.

Nothing here is told who placed a call, but for the judge: a carrier's list shows telephone, kind and time,
as the real ones do.
Everything happens at its time on the virtual loop; whoever lives then hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from bench.proof.people import Moment, Person, ringing
from gateway.told import PortalCommand
from sos.events import LEG_ENDS, Channel, Leg, LegState

WORDS = {
    LegState.PLACED: "queued",
    LegState.RINGING: "ringing",
    LegState.ANSWERED: "in-progress",
    LegState.NO_KEY: "completed",
    LegState.NO_ANSWER: "no-answer",
    LegState.BUSY: "busy",
    LegState.FAILED: "failed",
    LegState.DELIVERED: "delivered",
    LegState.HUNG_UP: "canceled",
}
"""How Twilio says these states in its callbacks."""


@dataclass(slots=True, eq=False)
class Placed:
    """One call or text that a carrier really made; times in virtual seconds."""

    reference: str
    carrier: str
    leg: Leg
    body: str
    created_s: float
    listed_s: float
    moments: tuple[Moment, ...]
    hung_up_s: float | None = None
    number: int = 0

    def at(self, now_s: float) -> LegState:
        """How it stands."""
        age_s = now_s - self.created_s
        if self.hung_up_s is not None and self.hung_up_s <= now_s:
            age_s = self.hung_up_s - self.created_s
        state = LegState.PLACED
        for moment in self.moments:
            if moment.after_s <= age_s and moment.state is not None:
                state = moment.state
        if self.hung_up_s is not None and self.hung_up_s <= now_s and state not in LEG_ENDS:
            return LegState.HUNG_UP
        return state

    def is_over(self, now_s: float) -> bool:
        """Whether its telephone has fallen silent."""
        return self.at(now_s) in LEG_ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When something does not work, in virtual seconds; `silent`: it times out instead of refusing."""

    from_s: float
    to_s: float
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong with one carrier.

    `fates` are drawn for each request: taken, refused, down, never arrived, answer lost, answer late, slow.
    `lag_s` is how long its list takes at most to show something new, `skew_s` how far its clock is behind.
    Callbacks are lost, doubled and delayed with these probabilities and up to this long.
    """

    fates: tuple[str, ...] = ("taken",)
    lag_s: float = 0.0
    skew_s: float = 0.0
    lost: float = 0.0
    doubled: float = 0.0
    delay_s: float = 0.2
    outages: tuple[Window, ...] = ()

    def outage(self, now_s: float) -> Window | None:
        """The outage that holds now."""
        return next((one for one in self.outages if one.from_s <= now_s < one.to_s), None)


class Listener(Protocol):
    """A process that lives now, as the world sees it."""

    heard_through: int
    """The number of the last order it has had from the portal."""
    ready: bool
    """Whether it asks the portal already."""

    def relayed(self, command: PortalCommand) -> None:
        """The portal has an order."""
        ...

    def modem_says(self, placed: Placed, moment: Moment) -> None:
        """The modem on the desk says what a call or text does."""
        ...


class Clock(Protocol):
    """The parts of a loop the world lives on."""

    def time(self) -> float:
        """Virtual seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> object:
        """Call it then."""
        ...


@dataclass(slots=True, kw_only=True)
class World:
    """All of it; `relay_outages` is when the gateway cannot hear the portal."""

    loop: Clock
    rng: Random
    people: Mapping[str, Person]
    faults: Mapping[str, Faults]
    relay_outages: Sequence[Window] = ()
    ring_timeout_s: float = 25
    tell: Callable[[str], None] = lambda _: None
    listener: Listener | None = None
    placed: list[Placed] = field(default_factory=list)
    asked: dict[str, list[str]] = field(default_factory=dict)
    commands: list[PortalCommand] = field(default_factory=list)
    pressed: set[tuple[str, str]] = field(default_factory=set)
    """(incident, contact) of everybody who pressed 1."""

    # ------------------------------------------------------------------ the carriers' side

    def fate(self, carrier: str, leg_id: str) -> str:
        """What becomes of this request; remembered for the judge."""
        faults = self.faults[carrier]
        outage = faults.outage(self.loop.time())
        if outage is not None:
            fate = "silent" if outage.silent else "down"
        else:
            fate = self.rng.choice(faults.fates)
        self.asked.setdefault(leg_id, []).append(fate)
        self.tell(f"{carrier} is asked for {leg_id}: {fate}")
        return fate

    def create(self, carrier: str, leg: Leg, body: str) -> Placed:
        """The carrier makes the call or sends the text: from now on a telephone rings."""
        now_s, faults = self.loop.time(), self.faults[carrier]
        person = self.people[leg.phone]
        if leg.channel is Channel.CALL:
            moments = ringing(person.next_habit(), ring_timeout_s=self.ring_timeout_s, rng=self.rng)
        else:
            moments = (Moment(self.rng.uniform(1, 4), LegState.DELIVERED),)
        placed = Placed(
            reference=f"{carrier}-{len(self.placed)}",
            carrier=carrier,
            leg=leg,
            body=body,
            created_s=now_s,
            listed_s=now_s + self.rng.uniform(0, faults.lag_s),
            moments=moments,
        )
        self.placed.append(placed)
        self.tell(f"{carrier} makes {leg.channel} {leg.leg_id} ({placed.reference})")
        for moment in moments:
            self.loop.call_later(moment.after_s, self._happens, placed, moment)
        return placed

    def hang_up(self, placed: Placed) -> None:
        """The carrier ends a call; quiet when it is over."""
        now_s = self.loop.time()
        if placed.leg.channel is Channel.CALL and not placed.is_over(now_s):
            placed.hung_up_s = now_s
            self.tell(f"{placed.reference} is hung up")
            self._say(placed, Moment(0, LegState.HUNG_UP))

    def of(self, reference: str) -> Placed:
        """By the carrier's reference."""
        return next(one for one in self.placed if one.reference == reference)

    def standing(self, carrier: str) -> Placed | None:
        """The call that is on this carrier's one line now."""
        now_s = self.loop.time()
        calls = (one for one in self.placed if one.carrier == carrier and one.leg.channel is Channel.CALL)
        return next((one for one in calls if not one.is_over(now_s)), None)

    def _happens(self, placed: Placed, moment: Moment) -> None:
        if placed.hung_up_s is not None:
            return
        if moment.digit:
            self.tell(f"{placed.leg.contact} presses {moment.digit} in {placed.reference}")
            if moment.digit == "1":
                self.pressed.add((placed.leg.incident, placed.leg.contact))
        self._say(placed, moment)

    def _say(self, placed: Placed, moment: Moment) -> None:
        if placed.carrier == "modem":
            if self.listener is not None and self.faults["modem"].outage(self.loop.time()) is None:
                self.listener.modem_says(placed, moment)
            return
        placed.number += 1
        faults, rng = self.faults[placed.carrier], self.rng
        for copy in range(2 if rng.random() < faults.doubled else 1):
            if rng.random() < (faults.lost / 4 if moment.digit else faults.lost):
                continue
            delay_s = 0.1 + rng.uniform(0, faults.delay_s) + copy * rng.uniform(0, 30)
            self.loop.call_later(delay_s, self._relay, placed, moment, placed.number)

    # ------------------------------------------------------------------ the portal's side

    def _relay(self, placed: Placed, moment: Moment, sequence: int) -> None:
        """A callback has reached the portal, which numbers it and keeps it until the gateway has it."""
        number, leg_id = len(self.commands) + 1, placed.leg.leg_id
        if moment.digit:
            command = PortalCommand(
                number=number, command=f"c{number}", name="key_pressed", leg=leg_id, digit=moment.digit
            )
        else:
            assert moment.state is not None
            command = PortalCommand(
                number=number,
                command=f"c{number}",
                name="leg_status",
                leg=leg_id,
                status=WORDS[moment.state],
                sequence=sequence,
                carrier_ref=placed.reference,
            )
        self.commands.append(command)
        self.poll()

    def relay_up(self) -> bool:
        """Whether the gateway can hear the portal."""
        now_s = self.loop.time()
        return not any(one.from_s <= now_s < one.to_s for one in self.relay_outages)

    def poll(self) -> None:
        """The gateway, where one lives, takes the orders it has not had."""
        if self.listener is not None and self.listener.ready and self.relay_up():
            for command in self.commands[self.listener.heard_through :]:
                self.listener.relayed(command)
