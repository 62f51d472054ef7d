"""The bodies of the journal's `steps`: how an incident opened, and every event its cascade judged.

An incident's row says how it stands; its steps say how it came to that, and `gateway.replay` makes the row
again from them.
For that to hold byte for byte the engine judges what was written, not what it wrote from:
`decode(encode_step(now, event)).event` instead of `event`
(a whole number in a decimal field is written as `76` and read back as `76.0`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, get_args

import msgspec

from gateway.errors import ShouwangError
from gateway.model import Alarm
from sos.events import Event
from sos.incident import Incident

EVENTS: MappingProxyType[str, type] = MappingProxyType({kind.__name__: kind for kind in get_args(Event)})
"""Every kind of event by its name, which is the tag on disk: an event is never renamed."""
OPENING = "opening"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Step 0: the incident as `open_incident` made it, before `Opened`, and the alarm that opened it."""

    incident: Incident
    alarm: Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A later step: the event, and `now` (aware UTC) as it was when the cascade judged it."""

    now: datetime
    event: Event


class UnreadableStep(ShouwangError):
    """The body of a step is not one of ours: damaged, or written by a newer version."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a step of an incident cannot be read: {reason}")
        self.reason = reason


class _Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One body on disk; `step` says which of the other fields are there."""

    step: str
    now: datetime | None = None
    event: msgspec.Raw = msgspec.Raw()
    incident: Incident | None = None
    alarm: Alarm | None = None


_encode = msgspec.json.encode
_decode_body = msgspec.json.Decoder(_Body).decode
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(kind) for name, kind in EVENTS.items()
}


def encode_opening(incident: Incident, alarm: Alarm) -> bytes:
    """The body of step 0; `incident` is as `open_incident` made it."""
    return _encode(_Body(step=OPENING, incident=incident, alarm=alarm))


def encode_step(now: datetime, event: Event) -> bytes:
    """The body of a later step; times keep their microseconds."""
    return _encode(_Body(step=type(event).__name__, now=now, event=msgspec.Raw(_encode(event))))


def decode(body: bytes) -> Opening | Step:
    """What a body says; raises `UnreadableStep`."""
    try:
        found = _decode_body(body)
        match found:
            case _Body(step="opening", incident=Incident() as incident, alarm=Alarm() as alarm):
                return Opening(incident=incident, alarm=alarm)
            case _Body(step=name, now=datetime() as now, event=raw) if name in EVENTS:
                return Step(now=now, event=_decoders[name].decode(raw))
    except msgspec.DecodeError as error:
        raise UnreadableStep(str(error)) from error
    raise UnreadableStep(f"no such kind of step as {found.step!r} with these fields")
