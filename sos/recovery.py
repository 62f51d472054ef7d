"""What a restarted gateway still owes: orders of the cascade that never came as far as an intent.

An order can be lost between the commit that made it and the commit of its intent.
The incident itself remembers every leg, so the orders can be made again from it;
whoever has been intended is the record's business (`Dispatcher.resume`) and is not ordered again.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

from sos.draft import FINAL
from sos.events import Channel, HangUp, LegOrder, LegState, PlaceCall, SendBeidou, SendText, SoundSiren
from sos.incident import Incident, LegFacts
from sos.last_resort import beidou_body, nobody_has_it
from sos.telling import USEFUL
from sos.texts import PURPOSES, siren_script, voice_script


def owed(incident: Incident, intended: AbstractSet[str], now: datetime) -> tuple[LegOrder | HangUp, ...]:
    """The orders still to be carried out, in their old order; `intended` are the leg ids on record.

    Texts and stations that need not know any more and calls the ladder has left behind are not owed;
    a siren that was ordered sounds as long as nobody has it.
    Calls and sirens that we ended, without having heard that they are over, are ended once more.
    """
    orders: list[LegOrder | HangUp] = []
    for facts in incident.legs:
        leg_id = facts.leg.leg_id
        if facts.state is LegState.ORDERED and leg_id not in intended:
            order = _made_again(incident, facts, now)
            if order is not None:
                orders.append(order)
        elif (
            facts.leg.channel in {Channel.CALL, Channel.SIREN}
            and facts.state in FINAL
            and facts.heard not in FINAL
            and leg_id in intended
        ):
            orders.append(HangUp(leg_id=leg_id))
    return tuple(orders)


def _made_again(incident: Incident, facts: LegFacts, now: datetime) -> LegOrder | None:
    """The order of a leg nothing became of, in today's words; None when it is no longer wanted."""
    leg = facts.leg
    match leg.channel:
        case Channel.TEXT if incident.phase in USEFUL[leg.purpose]:
            return SendText(leg=leg, body=PURPOSES[leg.purpose](incident, now, leg.lang))
        case Channel.CALL if incident.calling == leg.leg_id:
            script = voice_script(incident, now, leg.lang)
            return PlaceCall(leg=leg, script=script, ring_timeout_s=incident.plan.ring_timeout_s)
        case Channel.BEIDOU if nobody_has_it(incident):
            body = beidou_body(incident)
            return None if body is None else SendBeidou(leg=leg, body=body)
        case Channel.SIREN if nobody_has_it(incident):
            return SoundSiren(leg=leg, script=siren_script(incident, now, leg.lang))
        case _:
            return None
