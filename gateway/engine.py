"""Judges what was heard and writes the verdict: event, rule state, timers and effects in one record.

Everything that changes anything comes through here, on the loop, one thing after the other:
an envelope from a band, a timer, a fact about a leg, an order from the portal.
Each makes one `Record`; after its commit the band is acknowledged and the effects are carried out.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from gateway.bands.registry import Device
from gateway.clock import Clock
from gateway.downlink.orders import DownOrder, no_order, not_of_the_portal, order_of
from gateway.downlink.rows import Pending, down_rows
from gateway.effects import CancelAlarm, ClearTimer, Effect, RaiseAlarm, SendDown, SetTimer
from gateway.errands.desk import Errands
from gateway.errands.slips import LATER, OWNERS, Later, answer
from gateway.incidents import Incidents
from gateway.journal.records import EventRow, Record, to_ms
from gateway.model import Alarm, DownAnswer, DownCommand, Envelope
from gateway.outbox import CarryOut, Journal, Outbox
from gateway.rules.base import FIRST_AWAITED, Adopts, Rule, TimerDue
from gateway.rules.hearing import Hearing
from gateway.suspensions import Suspendable, ordered
from gateway.timers import TimerBook
from gateway.told import FencesSuspended, PortalCommand, Telemetry, UnreadableCommand
from sos.events import KeyPressed, LegReported

encode = msgspec.json.encode

log = logging.getLogger(__name__)


class Orders(Protocol):
    """What the engine needs of the orders to bands (`gateway.downlink.sender`)."""

    def find(self, device: str) -> Device | None:
        """The band of this identity, or of this wire id; None for a stranger."""
        ...

    def answered(self, device: str, answers: Sequence[DownAnswer], record: Record, now: datetime) -> None:
        """Write into the record what a band says of its orders."""
        ...

    def waits_for(self, device: str) -> bool:
        """Whether something is to be done when this band is heard."""
        ...

    def heard(self, device: str) -> None:
        """A frame of this band is committed: now is the moment to send what waits for it."""
        ...


class Engine:
    """One gateway's judgement.

    `rules` maps a wearer to its rules by name.
    `carry_out` is called after the commit, once for each effect.
    `leg_status` takes what the portal relays of a carrier's callbacks;
    `leg_of` finds the leg of a texted key, of which only the sender is known;
    `errands` carries out whatever else the portal orders.
    """

    def __init__(
        self,
        *,
        rules: Mapping[str, Mapping[str, Rule]],
        incidents: Incidents,
        orders: Orders,
        journal: Journal,
        timers: TimerBook,
        clock: Clock,
        carry_out: CarryOut,
        leg_status: Callable[[PortalCommand], None],
        leg_of: Callable[[str], str],
        errands: Errands,
        max_commit_wait_s: float,
    ) -> None:
        self._rules = {wearer: Hearing(wearer, by_name) for wearer, by_name in rules.items()}
        self._rule_of = {owner: rule for hearing in self._rules.values() for owner, rule in hearing.owned}
        self._states: dict[str, Any] = {owner: rule.initial() for owner, rule in self._rule_of.items()}
        self._incidents = incidents
        self._orders = orders
        self._timers = timers
        self._clock = clock
        self._leg_status = leg_status
        self._leg_of = leg_of
        self._errands = errands
        self.counts: Counter[str] = Counter()
        self.outbox = Outbox(journal, carry_out, self.counts, max_commit_wait_s=max_commit_wait_s)
        self.commit = self.outbox.commit

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take the rule states of the last run; one that no longer fits its type starts anew, counted."""
        for owner, body in states.items():
            rule = self._rule_of.get(owner)
            if rule is None:
                continue
            try:
                self._states[owner] = msgspec.json.decode(body, type=rule.State)
            except msgspec.DecodeError:
                self.counts["states that no longer fit"] += 1
                log.exception("the state of %s is of another shape than today's, and starts anew", owner)

    def adopt(self) -> None:
        """Carry the states of the last run over to the settings of this one; call with its timers armed."""
        record, pending, now = Record(), Pending(), self._clock.now()
        for wearer, hearing in self._rules.items():
            for owner, rule in hearing.owned:
                self._adopt(owner, rule, wearer, record, pending, now)
        if record.states:
            self.commit(record, pending, None)

    def take_rules(
        self, wearer: str, rules: Mapping[str, Rule], record: Record, pending: Pending, now: datetime
    ) -> None:
        """Judge this wearer by these rules from now on; the states stay, each carried over by its rule.

        They are used at once, like a suspension, though the record that says so is not committed yet:
        records are committed in their order, so nothing that was judged by them can be on the disk before it,
        and a crash in between forgets both, and the order is given again.
        A wearer nobody knew is known from now on, and what an earlier one of that name left is overwritten.
        """
        self._rules[wearer] = Hearing(wearer, rules)
        for owner, rule in self._rules[wearer].owned:
            self._rule_of[owner] = rule
            if owner not in self._states:
                self._states[owner] = rule.initial()
                record.states[owner] = encode(self._states[owner])
            self._adopt(owner, rule, wearer, record, pending, now)
            if getattr(rule, "awaits_first", False) and self._states[owner] == rule.initial():
                self._step_timer(owner, TimerDue(name=FIRST_AWAITED, due_at=now), record, pending, now)

    def watches(self, wearer: str) -> bool:
        """Whether anything of this wearer is judged here."""
        return wearer in self._rules

    def _adopt(
        self, owner: str, rule: Rule, wearer: str, record: Record, pending: Pending, now: datetime
    ) -> None:
        if not isinstance(rule, Adopts):
            return
        before = self._states[owner]
        state, effects = rule.adopt(before, now)
        if state is before:
            return
        self._states[owner] = state
        record.states[owner] = encode(state)
        for effect in effects:
            self._apply(effect, owner, wearer, record, pending, now)
        if isinstance(rule, Suspendable) and state.suspensions != before.suspensions:
            record.events.append(_suspended(wearer, state, now))

    def await_first(self) -> None:
        """Tell the rules that wait for a wearer's first frame of the wearers never heard of."""
        for owner, rule in self._rule_of.items():
            if getattr(rule, "awaits_first", False) and self._states[owner] == rule.initial():
                self.timer_due(owner, FIRST_AWAITED, self._clock.now())

    # ------------------------------------------------------------------ what comes in

    def heard(
        self, envelope: Envelope, committed: Callable[[int], None], *, released: int | None = None
    ) -> None:
        """An admitted frame of a band; `released` is its number in the quarantine it leaves with it."""
        uplink, wearer, now = envelope.uplink, envelope.wearer, envelope.received_at
        now_ms = at_ms = to_ms(now)
        for reading in uplink.readings:
            if reading.at is not None:
                at_ms = to_ms(reading.at)
                break
        payload = Telemetry(
            device=envelope.device,
            wearer=wearer,
            received_at=now,
            backlog=uplink.backlog,
            readings=uplink.readings,
        )
        row = EventRow(
            at_ms, now_ms, "telemetry", envelope.device, wearer, envelope.wire, encode(payload), uplink.raw
        )
        record, pending = Record((row,)), Pending()
        if released is not None:
            record.rest.released.append(released)
        if wearer is not None:
            states, hearing = self._states, self._rules[wearer]
            for place in hearing.places(uplink.readings):
                owner, rule = hearing.owned[place]
                state = states[owner]
                new, effects = rule.step(state, envelope, now)
                if new is not state:
                    states[owner] = new
                    record.states[owner] = encode(new)
                for effect in effects:
                    self._apply(effect, owner, wearer, record, pending, now)
            if not uplink.backlog:
                self._incidents.wearer_seen(wearer, uplink.readings, record, pending, now)
        if self._orders.waits_for(envelope.device) or uplink.answers:
            committed = self._about_orders(envelope, record, committed)
        self.commit(record, pending, committed)

    def _about_orders(
        self, envelope: Envelope, record: Record, committed: Callable[[int], None]
    ) -> Callable[[int], None]:
        """Write down what the band says of its orders; once its frame is settled, send it what waits."""
        self._orders.answered(envelope.device, envelope.uplink.answers, record, envelope.received_at)

        def both(seq: int) -> None:
            committed(seq)
            self._orders.heard(envelope.device)

        return both

    def noticed(self, alarm: Alarm) -> None:
        """An alarm no rule raised: something the gateway itself saw of a band."""
        record, pending = Record(), Pending()
        self._incidents.raise_alarm(alarm, record, pending, self._clock.now())
        self.commit(record, pending, None)

    def timer_due(self, owner: str, name: str, due_at: datetime) -> None:
        """A durable timer: a rule's ("fence/wearer") or an incident's ("incident/id").

        That of a wearer who is gone from the configuration stays in the journal with the state it belongs to:
        whoever comes back at a later start is waited for again, also one whose band stays silent.
        """
        if not owner.startswith(("incident/", OWNERS)) and owner not in self._rule_of:
            return
        now = self._clock.now()
        record = Record(timers={(owner, name): None})
        pending = Pending()
        kind, _, who = owner.partition("/")
        if kind == "incident":
            self._incidents.timer_due(who, name, due_at, record, pending, now)
            record.urgent = True
        elif owner.startswith(OWNERS):
            self._errands.timer_due(owner, name, record, pending, now)
        else:
            self._step_timer(owner, TimerDue(name=name, due_at=due_at), record, pending, now)
        self.commit(record, pending, None)

    def _step_timer(
        self, owner: str, event: TimerDue, record: Record, pending: Pending, now: datetime
    ) -> None:
        state = self._states[owner]
        new, effects = self._rule_of[owner].step(state, event, now)
        if new is not state:
            self._states[owner] = new
            record.states[owner] = encode(new)
        for effect in effects:
            self._apply(effect, owner, owner.partition("/")[2], record, pending, now)

    def leg_known(
        self, event: LegReported | KeyPressed, record: Record, committed: Callable[[int], None]
    ) -> None:
        """A fact about a leg; `record` already holds what the ledger writes of it."""
        pending, now = Pending(), self._clock.now()
        if self._errands.owns(event.leg_id):
            self._errands.leg_known(event, record, now)
        else:
            self._incidents.leg_known(event, record, pending, now)
        record.urgent = True
        self.commit(record, pending, committed)

    def ordered(
        self, command: PortalCommand | UnreadableCommand, committed: Callable[[int], None] | None = None
    ) -> None:
        """An order from the portal; its number is committed with what it did, so it is done once.

        One that fails in a way nobody thought of is refused: it would come again after every new start,
        before the presses of a button that are waiting behind it.
        """
        now = self._clock.now()
        record, pending = Record(urgent=True), Pending()
        try:
            refusal = self._refused(command, record, pending, now)
        except Exception as error:
            log.exception("order %s of the portal failed", command.command)
            record, pending = Record(urgent=True), Pending()
            refusal = f"this gateway failed at it ({type(error).__name__}); its log says more"
        record.rest.marks["command_number"] = command.number
        if refusal is not LATER:
            answer(command.command, record, now, reason=refusal or "", wearer=command.wearer)
        self.commit(record, pending, committed)

    def _refused(
        self, command: PortalCommand | UnreadableCommand, record: Record, pending: Pending, now: datetime
    ) -> str | Later | None:
        if isinstance(command, UnreadableCommand):
            return command.reason
        return not_of_the_portal(command) or self._obey(command, record, pending, now)

    def ordered_here(self, command: PortalCommand, committed: Callable[[int], None]) -> str | None:
        """An order given on this box; gives the reason when it is refused, and nothing is written then."""
        record, pending = Record(urgent=True), Pending()
        refusal = self._obey(command, record, pending, self._clock.now())
        if refusal is None or refusal is LATER:
            self.commit(record, pending, committed)
            return None
        return refusal

    def _obey(
        self, command: PortalCommand, record: Record, pending: Pending, now: datetime
    ) -> str | Later | None:
        """Do what the portal orders; gives the reason when it cannot be done."""
        match command.name:
            case "send_down" if command.down is not None:
                return self._send_down(command, command.down, record, pending, now)
            case "acknowledge" | "resolve" | "key_pressed":
                if command.leg is not None:
                    command = msgspec.structs.replace(command, leg=self._leg_of(command.leg))
                    if self._errands.owns(command.leg or ""):
                        return self._errands.key(command, record, now)
                return self._incidents.ordered(command, record, pending, now)
            case "leg_status":
                self._leg_status(command)
                return None
            case "drill" if command.wearer is not None:
                return self._incidents.drill(command.wearer, command.kind or "sos", record, pending, now)
            case "suspend_fences" | "resume_fences" if command.wearer is not None:
                return self._about_fences(command, command.wearer, record, pending, now)
            case _:
                return self._errands.order(command, record, pending, now)

    def _about_fences(
        self, command: PortalCommand, wearer: str, record: Record, pending: Pending, now: datetime
    ) -> str | None:
        """Let fences of a wearer not count for a while, or count again; tell the portal how it is then."""
        owner = f"fence/{wearer}"
        rule = self._rule_of.get(owner)
        if rule is None or not isinstance(rule, Suspendable):
            return f"there is no wearer {wearer}"
        try:
            state, effects = ordered(rule, self._states[owner], command, now)
        except ValueError as error:
            return str(error)
        self._states[owner] = state
        record.states[owner] = encode(state)
        for effect in effects:
            self._apply(effect, owner, wearer, record, pending, now)
        record.events.append(_suspended(wearer, state, now))
        return None

    def _send_down(
        self, command: PortalCommand, down: DownCommand, record: Record, pending: Pending, now: datetime
    ) -> str | None:
        band = self._orders.find(command.device) if command.device else None
        if command.device and band is None:
            return f"there is no band {command.device}"
        wearer = command.wearer or (band.wearer if band is not None else "")
        if not self.watches(wearer) or (band is not None and band.wearer != wearer):
            return f"there is no wearer {wearer}" if band is None else f"{band.device} is not {wearer}'s"
        refusal = no_order(down)
        if refusal is None:
            order = order_of(command, wearer, band.device if band is not None else "", now)
            down_rows(order, record, pending, now)
        return refusal

    # ------------------------------------------------------------------ what goes into the record

    def _apply(
        self, effect: Effect, owner: str, wearer: str, record: Record, pending: Pending, now: datetime
    ) -> None:
        match effect:
            case RaiseAlarm(alarm=alarm):
                self._incidents.raise_alarm(alarm, record, pending, now)
                record.urgent = record.urgent or alarm.severity == "critical"
            case CancelAlarm(at=at):
                self._incidents.wearer_cancelled(wearer, at, record, pending, now)
            case SendDown(command=command):
                name = f"{owner}.{command.name}.{to_ms(now)}"
                down = DownOrder(order=name, wearer=wearer, command=command, given_at=now)
                down_rows(down, record, pending, now)
            case SetTimer(name=name, due_at=due_at):
                record.timers[owner, name] = to_ms(due_at)
                self._timers.set(owner, name, due_at)
            case ClearTimer(name=name):
                record.timers[owner, name] = None
                self._timers.clear(owner, name)


def _suspended(wearer: str, state: Any, now: datetime) -> EventRow:
    """Tell the portal which fences do not count now."""
    told, now_ms = FencesSuspended(wearer=wearer, suspensions=state.suspensions), to_ms(now)
    return EventRow(now_ms, now_ms, "suspensions", None, wearer, None, encode(told), None)
