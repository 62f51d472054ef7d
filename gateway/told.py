"""What gateway and portal say to each other: the wire schema of sync and of the command link.

Everything is a frozen `msgspec.Struct`, told as JSON; a new kind of event is a new member of `SyncPayload`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from gateway.model import (
    Alarm,
    AlarmKind,
    BandOrderState,
    DownCommand,
    FenceSuspension,
    Reading,
    Severity,
    WearerView,
    Why,
)
from gateway.profile import Profile
from gateway.told_health import GatewayFigures
from gateway.told_orders import (
    BandKeyTold,
    BandsTold,
    DutyInForce,
    DutySpan,
    TestCallChanged,
    TextPurpose,
)

NextStep = Literal["call", "next_person", "again", "unresolved"]
"""What an incident does next by itself: rings for the first time, rings the next in line, begins anew from
the top, or rings again because whoever took it on has not closed it."""

Verdict = Literal["true", "false", "test"]
"""What whoever closed an incident found its alarm to be (`sos.events.Verdict`)."""


class LegView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text or call of a cascade, as the portal shows it.

    `purpose` is "alarm" for what tells of the alarm itself; anything else is news about it.
    """

    leg_id: str
    contact: str
    name: str
    role: Literal["family", "staff", "station", "site"]
    channel: Literal["text", "call", "beidou", "siren"]
    round: int
    attempt: int
    state: str
    purpose: str = "alarm"
    carrier: str | None = None
    at: datetime | None = None
    ended_at: datetime | None = None


class IncidentView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A whole incident; each one sent replaces what the portal knew of it.

    `next_step` happens by itself at `next_at`, unless something else happens before.
    """

    incident_id: str
    ref: str
    wearer: str
    kind: AlarmKind
    severity: Severity
    state: Literal["open", "notifying", "acknowledged", "resolved", "cancelled", "exhausted"]
    why: Why
    opened_at: datetime
    legs: tuple[LegView, ...] = ()
    presses: int = 1
    lat: float | None = None
    lon: float | None = None
    acks_wanted: int = 1
    takers: tuple[str, ...] = ()
    """Who has taken it on, in order; `acknowledged_by` is the first of them."""
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    note: str | None = None
    verdict: Verdict | None = None
    late: bool = False
    drill: bool = False
    next_step: NextStep | None = None
    next_at: datetime | None = None


class Roster(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="roster"):
    """Everybody this gateway watches; each one sent replaces the last."""

    community: str
    wearers: tuple[WearerView, ...]


class Telemetry(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="telemetry"):
    """The readings of one admitted frame."""

    device: str
    wearer: str | None
    received_at: datetime
    backlog: bool
    readings: tuple[Reading, ...]


class AlarmRaised(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="alarm"):
    """A rule raised an alarm; `incident` is the one it opened or joined."""

    alarm: Alarm
    incident: str | None


class StoryLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of an incident's story, in codes a screen turns into words (`sos.story.What`).

    `channel` is that of the leg it is about, `carrier` its carrier.
    """

    at: datetime
    what: str
    who: str = ""
    channel: str = ""
    detail: str = ""
    carrier: str = ""


class IncidentChanged(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="incident", omit_defaults=True
):
    """An incident opened, or anything about it changed; `story` is what this change adds to its story."""

    incident: IncidentView
    story: tuple[StoryLine, ...] = ()


class CarrierHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether one way to people can be used; `detail` says why not, `since` since when."""

    carrier: str
    healthy: bool
    detail: str = ""
    since: datetime | None = None


class GatewayHealth(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="health", omit_defaults=True
):
    """How the gateway itself is; each one sent replaces the last.

    `journal` is empty while the journal writes, else why it does not;
    `warnings` are things an administrator should look at, as codes (`many_legs`, `devices`, `profile`).
    """

    carriers: tuple[CarrierHealth, ...]
    journal: str = ""
    warnings: tuple[str, ...] = ()
    figures: GatewayFigures | None = None


class CommandDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """A command of the portal was carried out, or refused with a reason."""

    command: str
    done: bool
    reason: str = ""


class BandOrderChanged(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="band_order", omit_defaults=True
):
    """An order to a band was given, or got further (`gateway.downlink.orders` draws the states).

    `order` names it for ever; `device` is the band, empty while no band of the wearer has been tried;
    `name`, `text` and `interval_s` are those of its `DownCommand`.
    `by` is who gave it, `incident` the one it belongs to; `detail` is a constant word, or the band's own.
    `final` is true where nothing more will be heard of it.
    """

    order: str
    wearer: str
    device: str
    name: str
    state: BandOrderState
    at: datetime
    given_at: datetime
    until: datetime
    text: str | None = None
    interval_s: int | None = None
    by: str = ""
    incident: str = ""
    detail: str = ""
    final: bool = False


class FencesSuspended(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="suspensions"):
    """Which fences of a wearer do not count now, and until when; each one sent replaces the last.

    One whose end has passed is over, whether or not the portal is told again.
    """

    wearer: str
    suspensions: tuple[FenceSuspension, ...]


class ProfileInForce(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="profile", omit_defaults=True
):
    """A wearer's profile as the gateway uses it from now on; each one sent replaces the last.

    The gateway alone counts `version`, rising by one a change of this wearer; 1 is the first it ever used.
    `source`: where it came from; a rollback is a new version with the content of version `restores`.
    """

    wearer: str
    version: int
    source: Literal["file", "portal", "rollback"]
    at: datetime
    profile: Profile
    by: str = ""
    restores: int | None = None


SyncPayload = (
    Roster
    | Telemetry
    | AlarmRaised
    | IncidentChanged
    | CommandDone
    | GatewayHealth
    | BandOrderChanged
    | FencesSuspended
    | ProfileInForce
    | DutyInForce
    | TestCallChanged
    | BandsTold
    | BandKeyTold
)


class SyncEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One journal row on its way to the portal; (gateway, seq) is its identity for ever."""

    seq: int
    at: datetime
    payload: SyncPayload


class SyncBatch(msgspec.Struct, frozen=True, kw_only=True):
    """POST /api/gateway/v1/events: rows in rising seq; sending a row again changes nothing."""

    gateway: str
    events: tuple[SyncEvent, ...]


class SyncAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The portal has durably stored everything up to and including `through_seq`."""

    through_seq: int


class PortalCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order from the portal to a gateway.

    `number` rises by one a gateway; `command` is unique for ever, so a repeat is recognised.
    acknowledge and resolve carry `incident`, `by`, `note`, and resolve the `verdict`, where one was given;
    key_pressed and leg_status carry `leg` with `digit`, or with the carrier's `status` and `sequence`;
    drill carries `wearer`, and `kind` (an SOS where it is left out).
    send_down carries `down` with `wearer` or `device` (only this band), `by`, and when it was given:
    an order that was long on its way to the gateway is as old as that.
    suspend_fences carries `wearer`, `until`, `by`, `note`, and `fence` where it is not about all of them;
    resume_fences carries `wearer`, and `fence`.
    set_profile carries `wearer`, `by`, `profile` (a whole `Profile`, judged by the gateway)
    and `base_version`, the version it was made from: it is refused when another is in force by then.
    restore_profile carries `wearer`, `by`, and `version`, the one whose content shall be in force again.
    send_text carries `phone` (E.164), `text`, `until` (it is not sent later), `purpose`; its `CommandDone`
    comes when the text is with a carrier, or will not be: `reason` is then a `RefusedText`.
    set_duty carries `duty`, the whole calendar, and `version`, above that of every one before.
    test_call carries `contact`, of `wearer`'s family or, without a wearer, of the staff, `by`,
    and `with_text` where a text goes along.
    register_band carries `wearer`, `protocol`, `wire_id`, `by`, and where they are known `device`, `model`,
    `serial`, `label` (what people call it); rekey_band and revoke_band carry `device` and `by`;
    `seal_to` (X25519, base64) is the public key the band's key is sealed to, for the first two.
    """

    number: int
    command: str
    name: Literal[
        "acknowledge",
        "resolve",
        "key_pressed",
        "leg_status",
        "drill",
        "send_down",
        "suspend_fences",
        "resume_fences",
        "set_profile",
        "restore_profile",
        "send_text",
        "set_duty",
        "test_call",
        "register_band",
        "rekey_band",
        "revoke_band",
    ]
    incident: str | None = None
    wearer: str | None = None
    leg: str | None = None
    digit: str | None = None
    status: str | None = None
    sequence: int | None = None
    carrier_ref: str | None = None
    by: str | None = None
    note: str | None = None
    verdict: Verdict | None = None
    down: DownCommand | None = None
    device: str | None = None
    given_at: datetime | None = None
    kind: AlarmKind | None = None
    fence: str | None = None
    until: datetime | None = None
    profile: dict[str, Any] | None = None
    base_version: int | None = None
    version: int | None = None
    phone: str | None = None
    text: str | None = None
    purpose: TextPurpose | None = None
    duty: tuple[DutySpan, ...] | None = None
    contact: str | None = None
    with_text: bool = False
    protocol: str | None = None
    wire_id: str | None = None
    model: str | None = None
    serial: str | None = None
    label: str | None = None
    seal_to: str | None = None


class UnreadableCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command this gateway cannot read, of a newer portal for one; it is refused, and those behind it come.

    `reason` says what is wrong with it.
    """

    number: int
    command: str
    wearer: str | None = None
    reason: str = "this gateway cannot read it"


class ControlAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an order given on the box itself; `incident` and `ref` are those of a drill."""

    done: bool
    reason: str = ""
    incident: str = ""
    ref: str = ""


class CommandPage(msgspec.Struct, frozen=True, kw_only=True):
    """GET /api/gateway/v1/commands?after=N&wait_s=25 answers this, empty when nothing came."""

    commands: tuple[PortalCommand, ...]
