"""The dispatcher with the real cascade, one fault at a time, against carriers that outlive it.

Time is virtual: the loop jumps to the next thing that is due.
Deaths at every point are proved with the whole gateway (`tests/proof`).
"""

from __future__ import annotations

import asyncio
import selectors
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sos.carriers.base import CarrierAmbiguous, CarrierDown, CarrierRefused
from sos.cascade import open_incident, step
from sos.dispatcher import Dispatcher
from sos.draft import RANK
from sos.events import (
    LEG_ENDS,
    Channel,
    HangUp,
    KeyPressed,
    LegReported,
    LegState,
    Opened,
    PlaceCall,
    SendText,
)
from sos.incident import Phase
from sos.ledger import LegRecord
from sos.plan import Contact, Plan
from sos.subject import Subject
from sos.switchboard import Lane
from sos.underway import Counters, ReportQueue

START = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
SON = Contact(contact="son", name="李建国", phone="+8613800138001")
DAUGHTER = Contact(contact="daughter", name="李晓梅", phone="+8613800138002")
DESK = Contact(contact="desk", name="周敏", phone="+8613800138090", role="staff")
PLAN = Plan(family=(SON, DAUGHTER), staff=(DESK,))
LAG_S = 12


class _Jump(selectors.SelectSelector):
    """Instead of waiting, the loop's clock jumps to where the wait would end."""

    loop = None

    def select(self, timeout=None):
        assert timeout is not None, "nothing will ever happen again"
        self.loop.elapsed_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.elapsed_s = 0.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self):
        return self.elapsed_s


@dataclass
class Call:
    reference: str
    leg: object
    created_at: float
    state: LegState = LegState.PLACED


@dataclass
class Network:
    """The telephones and the carrier's own books; nothing here dies with our process."""

    clock: object
    presses: tuple = ("daughter",)
    lag_s: float = LAG_S
    calls: list = field(default_factory=list)
    listeners: list = field(default_factory=list)
    callbacks: bool = True

    def create(self, leg):
        call = Call(f"R{len(self.calls)}", leg, self.clock())
        self.calls.append(call)
        return call

    def of(self, leg_id):
        return next(call for call in self.calls if call.leg.leg_id == leg_id)

    def at(self, call):
        """How the call stands now, told by the clock alone."""
        if call.state is not LegState.PLACED:
            return call.state
        age_s = self.clock() - call.created_at
        if call.leg.channel is Channel.TEXT:
            return LegState.DELIVERED if age_s > 2 else LegState.PLACED
        if call.leg.contact in self.presses and call.leg.round > 1:
            return LegState.ANSWERED if age_s > 5 else LegState.RINGING
        return LegState.NO_ANSWER if age_s > 25 else LegState.RINGING


@dataclass
class Disk:
    incident: object = None
    rows: dict = field(default_factory=dict)


class House:
    """One process: the disk as it was found, the dispatcher, the timers."""

    def __init__(self, disk, network, clock, *, lines=(("line", ()),)):
        self.disk, self.network, self.clock = disk, network, clock
        self.lines = [Line(self, name, script) for name, script in lines]
        self.dispatcher = Dispatcher(ledger=self, carriers=self.lines, now=self.now)

    def now(self):
        return START + timedelta(seconds=self.clock())

    async def moment(self):
        """Whatever reaches the disk or the carrier takes a moment."""
        await asyncio.sleep(0.01)

    # -- the ledger

    async def intend(self, leg, message, *, carrier, at):
        await self.moment()
        if leg.leg_id in self.disk.rows:
            return False
        self.disk.rows[leg.leg_id] = LegRecord(
            leg=leg, message=message, state=LegState.INTENDED, carrier=carrier, intended_at=at
        )
        await self.moment()
        return True

    async def repoint(self, leg_id, *, carrier, at):
        await self.moment()
        row = self.disk.rows[leg_id]
        if row.reference is not None or row.state is not LegState.INTENDED:
            return False
        self.disk.rows[leg_id] = replace(row, carrier=carrier, intended_at=at)
        await self.moment()
        return True

    async def bind(self, leg_id, *, carrier, reference):
        await self.moment()
        assert not [one for one in self.disk.rows.values() if one.reference == reference], "owned twice"
        self.disk.rows[leg_id] = replace(self.disk.rows[leg_id], reference=reference, carrier=carrier)
        await self.moment()

    def owned(self, _carrier):
        return frozenset(row.reference for row in self.disk.rows.values() if row.reference)

    async def report(self, event):
        await self.moment()
        row = self.disk.rows.get(event.leg_id)
        if row is not None and isinstance(event, LegReported) and RANK[event.state] > RANK[row.state]:
            self.disk.rows[event.leg_id] = replace(row, state=event.state)
        orders = self.tell(event)
        await self.moment()
        self.carry_out(orders)

    # -- the engine

    def tell(self, event):
        self.disk.incident, orders = step(self.disk.incident, event, self.now())
        return orders

    def carry_out(self, orders):
        for order in orders:
            if isinstance(order, SendText | PlaceCall | HangUp):
                self.dispatcher.execute(order)


class Line:
    """A carrier over the network above; `script` gives the next placings their fate."""

    channels = frozenset(Channel)

    def __init__(self, house, name="line", script=()):
        self.house, self.name, self.script = house, name, list(script)
        self.asked = []

    async def run(self, report):
        network, told = self.house.network, {}
        while True:
            await asyncio.sleep(1)
            for call in network.calls if network.callbacks else ():
                state = network.at(call)
                if told.get(call.reference) is not state:
                    told[call.reference] = state
                    report(LegReported(leg_id=call.leg.leg_id, state=state, at=self.house.now()))
                    if state is LegState.ANSWERED:
                        report(KeyPressed(leg_id=call.leg.leg_id, digit="1", at=self.house.now()))

    async def place(self, leg, _message):
        self.asked.append(leg.leg_id)
        fate = self.script.pop(0) if self.script else "taken"
        await self.house.moment()
        if fate == "down":
            raise CarrierDown("no route")
        if fate == "refused":
            raise CarrierRefused("not this number")
        if fate == "never arrived":
            raise CarrierAmbiguous("time-out")
        call = self.house.network.create(leg)
        await self.house.moment()
        if fate == "answer lost":
            raise CarrierAmbiguous("time-out")
        if fate == "answer late":
            await asyncio.sleep(8)
        return call.reference

    async def hang_up(self, reference):
        await self.house.moment()
        call = self.by_reference(reference)
        if self.house.network.at(call) not in LEG_ENDS:
            call.state = LegState.HUNG_UP

    async def find(self, leg, *, since, owned):
        await self.house.moment()
        network = self.house.network
        for call in network.calls:
            listed = network.clock() - call.created_at >= network.lag_s
            same = (call.leg.phone, call.leg.channel) == (leg.phone, leg.channel)
            created_at = START + timedelta(seconds=call.created_at)
            if listed and same and created_at >= since and call.reference not in owned:
                return call.reference
        return None

    async def status(self, reference):
        return self.house.network.at(self.by_reference(reference))

    def by_reference(self, reference):
        return next(call for call in self.house.network.calls if call.reference == reference)


async def clear_away():
    """End every task but this one, as the end of a process does."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def run(story):
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(story(loop))
    finally:
        loop.close()


def new_disk():
    return Disk(
        incident=open_incident(
            incident_id="i1",
            ref="A7K2",
            wearer="w",
            subject=Subject(name="张桂兰", kind="sos"),
            plan=PLAN,
            at=START,
        )
    )


# --------------------------------------------------------------------------- one fault at a time


def in_the_house(network_settings=None, **house_settings):
    """A house whose incident is just open, for a look at single legs: `await act(house)` inside."""

    def decorate(act):
        def test():
            async def story(loop):
                network = Network(clock=loop.time, **(network_settings or {}))
                house = House(new_disk(), network, loop.time, **house_settings)
                tasks = [asyncio.ensure_future(house.dispatcher.run())]
                house.carry_out(house.tell(Opened()))
                try:
                    await act(house)
                finally:
                    assert not tasks[0].done(), tasks[0]
                    await clear_away()

            run(story)

        test.__name__ = act.__name__
        test.__doc__ = act.__doc__
        return test

    return decorate


def states(house, leg_id):
    facts = house.disk.incident.leg(leg_id)
    return facts.state.value if facts else None


@in_the_house(lines=[("first", ("down",) * 3), ("second", ())])
async def test_a_carrier_that_is_down_hands_the_same_leg_to_the_next(house):
    await asyncio.sleep(2.5)
    row = house.disk.rows["i1.1.son.call.1"]
    assert (row.carrier, row.state) == ("second", LegState.RINGING)
    assert [call.leg.leg_id for call in house.network.calls].count("i1.1.son.call.1") == 1
    assert house.dispatcher.counters.down == 3


@in_the_house(lines=[("first", ("refused",) * 9), ("second", ("refused",) * 9)])
async def test_a_leg_refused_by_all_has_failed_with_their_words(house):
    await asyncio.sleep(0.5)
    facts = house.disk.incident.leg("i1.1.son.call.1")
    assert facts.state is LegState.FAILED
    assert facts.detail == "first: not this number; second: not this number"
    assert house.lines[0].asked.count("i1.1.son.call.1") == 1


@in_the_house(lines=[("first", ("refused",) * 3), ("second", ("refused",) * 3)])
async def test_a_text_refused_by_all_is_tried_again_through_the_other_first(house):
    await asyncio.sleep(1)
    assert house.disk.rows["i1.1.son.text.2"].carrier == "second"


@in_the_house(lines=[("line", ("answer lost",) * 3)])
async def test_an_unclear_call_is_reported_at_once_and_adopted_when_the_list_has_it(house):
    await asyncio.sleep(0.5)
    assert states(house, "i1.1.son.call.1") == "ambiguous"
    assert states(house, "i1.1.daughter.call.1") is not None
    house.network.callbacks = False
    await asyncio.sleep(16)
    assert house.disk.rows["i1.1.son.call.1"].reference == house.network.of("i1.1.son.call.1").reference
    assert house.dispatcher.counters.adopted == 3
    assert house.dispatcher.counters.absent == 0


@in_the_house(lines=[("line", ("answer late",) * 3)])
async def test_an_answer_after_the_deadline_still_binds(house):
    house.network.lag_s = 1000
    await asyncio.sleep(5.5)
    assert states(house, "i1.1.son.text.1") == "delivered", "its callback came while the answer did not"
    await asyncio.sleep(8)
    assert house.disk.rows["i1.1.son.text.1"].reference == house.network.of("i1.1.son.text.1").reference


@in_the_house({"callbacks": False}, lines=[("line", ("never arrived",) * 3)])
async def test_a_leg_that_never_arrived_is_absent_after_the_settling_time_and_not_before(house):
    await asyncio.sleep(15)
    assert states(house, "i1.1.son.text.1") == "ambiguous"
    await asyncio.sleep(2)
    assert states(house, "i1.1.son.text.1") == "absent"
    assert states(house, "i1.1.son.text.2") == "placed"


@in_the_house({"callbacks": False}, lines=[("line", ("never arrived",) * 3)])
async def test_a_list_that_cannot_be_read_proves_nothing_for_a_while(house):
    async def find(*_args, **_more):
        raise CarrierDown("no route")

    house.lines[0].find = find
    await asyncio.sleep(70)
    assert states(house, "i1.1.son.text.1") == "ambiguous"
    await asyncio.sleep(12)
    assert states(house, "i1.1.son.text.1") == "absent"
    assert house.dispatcher.counters.undecided == 3


@in_the_house(lines=[("line", ("down",) * 1000)])
async def test_with_every_line_down_a_leg_waits_and_is_then_unreached(house):
    await asyncio.sleep(8)
    assert states(house, "i1.1.son.call.1") == "ordered"
    await asyncio.sleep(7)
    assert states(house, "i1.1.son.call.1") == "unreached"


@in_the_house()
async def test_a_hang_up_reaches_the_call_and_is_reported(house):
    await asyncio.sleep(3)
    house.dispatcher.execute(HangUp(leg_id="i1.1.son.call.1"))
    await asyncio.sleep(1)
    assert house.network.of("i1.1.son.call.1").state is LegState.HUNG_UP
    assert states(house, "i1.1.son.call.1") == "hung_up"
    house.dispatcher.execute(HangUp(leg_id="i1.1.son.call.1"))
    house.dispatcher.execute(HangUp(leg_id="i9.1.nobody.call.1"))


@in_the_house({"callbacks": False})
async def test_lost_callbacks_are_made_good_by_asking(house):
    await asyncio.sleep(30)
    assert states(house, "i1.1.son.call.1") == "no_answer"


@in_the_house()
async def test_the_same_order_again_changes_nothing(house):
    leg = house.disk.incident.leg("i1.1.son.call.1").leg
    await asyncio.sleep(2)
    for _ in range(3):
        house.dispatcher.execute(PlaceCall(leg=leg, script="", ring_timeout_s=25))
        await asyncio.sleep(1)
    assert [call.leg.leg_id for call in house.network.calls].count(leg.leg_id) == 1


@in_the_house()
async def test_a_relayed_1_is_written_even_for_a_leg_nobody_remembers(house):
    house.dispatcher.carrier_report(
        KeyPressed(leg_id="i1.44.son.call.1", digit="1", at=house.now()), reference="X"
    )
    await asyncio.sleep(1)
    assert house.disk.incident.phase is Phase.ACKNOWLEDGED


@in_the_house()
async def test_a_disk_that_hangs_does_not_silence_the_telephones(house):
    async def intend(*_args, **_more):
        await asyncio.Event().wait()

    await asyncio.sleep(0.5)
    house.intend = intend
    leg = replace(
        house.disk.incident.leg("i1.1.son.call.1").leg, leg_id="i1.9.x.call.1", phone="+8613800138055"
    )
    house.dispatcher.execute(PlaceCall(leg=leg, script="", ring_timeout_s=25))
    await asyncio.sleep(2.5)
    assert "i1.9.x.call.1" in [call.leg.leg_id for call in house.network.calls]
    assert house.dispatcher.counters.unrecorded == 1


def test_a_full_queue_drops_states_and_never_a_key():
    async def story(_loop):
        counters = Counters()
        queue = ReportQueue(2, counters)
        state = LegReported(leg_id="i1.1.a.call.1", state=LegState.RINGING, at=START)
        key = KeyPressed(leg_id="i1.1.a.call.1", digit="1", at=START)
        for event in (state, state, state, key):
            queue.put(event)
        assert [await queue.get() for _ in range(3)] == [state, state, key]
        assert counters.reports_dropped == 1

    run(story)


def test_a_ringing_telephone_goes_before_words_in_a_narrow_lane():
    async def story(_loop):
        lane, order = Lane(1), []

        async def take(name, urgency):
            async with lane.turn(urgency):
                order.append(name)
                await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            for name, urgency in [("busy", 2), ("position", 2), ("alarm", 1), ("call", 0)]:
                group.create_task(take(name, urgency))
                await asyncio.sleep(0)
        assert order == ["busy", "call", "alarm", "position"]

    run(story)
