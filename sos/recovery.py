"""What a restarted gateway still owes: orders of the cascade that never came as far as an intent.

An order can be lost between the commit that made it and the commit of its intent.
The incident itself remembers every leg, so the orders can be made again from it;
whoever has been intended is the record's business (`Dispatcher.resume`) and is not ordered again.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

from sos.draft import FINAL
from sos.events import Channel, HangUp, LegState, PlaceCall, SendText
from sos.incident import Incident
from sos.telling import USEFUL
from sos.texts import PURPOSES, voice_script


def owed(
    incident: Incident, intended: AbstractSet[str], now: datetime
) -> tuple[SendText | PlaceCall | HangUp, ...]:
    """The orders still to be carried out, in their old order; `intended` are the leg ids on record.

    Texts that are no longer useful and calls the ladder has left behind are not owed.
    Calls that we ended, without having heard that they are over, are hung up once more.
    """
    orders: list[SendText | PlaceCall | HangUp] = []
    for facts in incident.legs:
        leg = facts.leg
        is_new = facts.state is LegState.ORDERED and leg.leg_id not in intended
        if leg.channel is Channel.TEXT:
            if is_new and incident.phase in USEFUL[leg.purpose]:
                orders.append(SendText(leg=leg, body=PURPOSES[leg.purpose](incident, now, leg.lang)))
        elif is_new and incident.calling == leg.leg_id:
            script = voice_script(incident, now, leg.lang)
            orders.append(PlaceCall(leg=leg, script=script, ring_timeout_s=incident.plan.ring_timeout_s))
        elif facts.state in FINAL and facts.heard not in FINAL and leg.leg_id in intended:
            orders.append(HangUp(leg_id=leg.leg_id))
    return tuple(orders)
