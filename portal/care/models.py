"""What the portal knows of the wearers: a projection of what their gateways reported.

The gateways' journals are the record; nothing here is edited by hand.
History is kept in epoch milliseconds, so that a batch of thousands needs no conversion on either engine.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Model
from portal.people.models import Resident, User

if TYPE_CHECKING:
    from portal.care.lost.models import LostSearch

OPEN_STATES = ("open", "notifying", "exhausted", "acknowledged")
"""The states of an incident in which somebody still has to do something."""
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class GatewayLine(Model):
    """One gateway: the last row stored, the last command numbered, the last one it acknowledged."""

    __tablename__ = "gateway_line"

    gateway: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    through_seq: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    heard_at: Mapped[dt.datetime | None]
    last_command: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    acknowledged_command: Mapped[int] = mapped_column(sa.BigInteger, default=0)


MOST_ID = 2**31 - 1
"""No row and no version is numbered higher; a store refuses to look for more than its columns hold."""


class Wearer(Model):
    """A person with a band; `code` is the gateway's short name, unique within that gateway."""

    __tablename__ = "wearer"
    __table_args__ = (sa.UniqueConstraint("gateway", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    gateway: Mapped[str] = mapped_column(sa.String(64))
    community: Mapped[str] = mapped_column(sa.String(64), index=True)
    code: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(sa.String(80))
    birth_year: Mapped[int | None]
    home: Mapped[str] = mapped_column(sa.String(160), default="")
    position: Mapped[int] = mapped_column(default=0)
    """The place in the gateway's roster: the order of lists."""
    present: Mapped[bool] = mapped_column(default=True)
    """Whether the newest roster still has this person; history stays either way."""
    fences: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON, default=list)
    """`FenceView`s as the roster brought them."""
    suspensions: Mapped[list[dict[str, Any]] | None] = mapped_column(sa.JSON(none_as_null=True))
    """`FenceSuspension`s as the gateway told them last, none before; one whose end has passed is over."""
    place: Mapped[str] = mapped_column(sa.String(200), default="")
    """The path of their household in the organisation tree, or of the community while that is not known."""
    resident_id: Mapped[int | None] = mapped_column(sa.ForeignKey("resident.id", ondelete="SET NULL"))
    """Who they are in the register."""

    contacts: Mapped[list[Contact]] = relationship(order_by="Contact.position", cascade="all, delete-orphan")
    state: Mapped[WearerState | None] = relationship(lazy="selectin", cascade="all, delete-orphan")
    guardianships: Mapped[list[Guardianship]] = relationship(
        back_populates="wearer", cascade="all, delete-orphan"
    )
    consents: Mapped[list[Consent]] = relationship(cascade="all, delete-orphan")
    resident: Mapped[Resident | None] = relationship()
    open_incidents: Mapped[list[Incident]] = relationship(
        viewonly=True,
        primaryjoin=lambda: sa.and_(Wearer.id == Incident.wearer_id, Incident.state.in_(OPEN_STATES)),
    )
    open_searches: Mapped[list[LostSearch]] = relationship(
        "LostSearch", viewonly=True, primaryjoin="Wearer.id == foreign(LostSearch.open_for)"
    )


class Guardianship(Model):
    """Who says to be a wearer's guardian, on what proof, and what the committee found.

    `state` is `claimed`, then `confirmed` or `refused`, then `ended`, or `left` where they stepped down.
    Only one confirmed and in time counts.
    """

    __tablename__ = "guardianship"

    id: Mapped[int] = mapped_column(primary_key=True)
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    relation: Mapped[str] = mapped_column(sa.String(40))
    basis: Mapped[str] = mapped_column(sa.String(24))
    """`family`, `appointed` (by a court or the committee, Civil Code art. 31) or `agreed` (art. 33)."""
    proof: Mapped[str] = mapped_column(sa.String(400), default="")
    """What was shown: a household register, a certificate, its number."""
    state: Mapped[str] = mapped_column(sa.String(16), default="claimed")
    claimed_at: Mapped[dt.datetime]
    judged_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id", ondelete="SET NULL"))
    judged_at: Mapped[dt.datetime | None]
    until: Mapped[dt.datetime | None]
    decides: Mapped[bool] = mapped_column(default=False)
    """Whether they decide for the wearer, who cannot (Civil Code art. 28, 33), as the committee found."""
    reason: Mapped[str] = mapped_column(sa.String(400), default="")
    """Why it was confirmed, refused or ended, in the words of who did."""
    ended_at: Mapped[dt.datetime | None]
    objected_at: Mapped[dt.datetime | None]
    """When the wearer or their family objected: the committee has to look again."""
    objected_by: Mapped[str] = mapped_column(sa.String(120), default="")
    objection: Mapped[str] = mapped_column(sa.String(400), default="")
    """Why they objected, in their words."""

    user: Mapped[User] = relationship(foreign_keys=user_id)
    wearer: Mapped[Wearer] = relationship(back_populates="guardianships")

    def holds(self, now: dt.datetime) -> bool:
        """Whether it counts at a time."""
        return self.state == "confirmed" and (self.until is None or now < self.until)


class Consent(Model):
    """A separate consent to one kind of sensitive data for one audience (PIPL art. 29), and its end."""

    __tablename__ = "consent"

    id: Mapped[int] = mapped_column(primary_key=True)
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"), index=True)
    data: Mapped[str] = mapped_column(sa.String(16))
    """One of `portal.policy.Data`."""
    audience: Mapped[str] = mapped_column(sa.String(16))
    """One of `portal.policy.Audience`."""
    basis: Mapped[str] = mapped_column(sa.String(24))
    """`own` (given by the wearer), `guardian` (for somebody who cannot), `paper` (on paper), `demo`."""
    given_by: Mapped[str] = mapped_column(sa.String(120))
    """The name of who gave it, and in what capacity."""
    proof: Mapped[str] = mapped_column(sa.String(400), default="")
    recorded_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id", ondelete="SET NULL"))
    granted_at: Mapped[dt.datetime]
    until: Mapped[dt.datetime | None]
    withdrawn_at: Mapped[dt.datetime | None]
    withdrawn_by: Mapped[str] = mapped_column(sa.String(120), default="")

    def holds(self, now: dt.datetime) -> bool:
        """Whether it counts at a time."""
        if self.withdrawn_at is not None and self.withdrawn_at <= now:
            return False
        return self.granted_at <= now and (self.until is None or now < self.until)


class Contact(Model):
    """Family or duty person of a wearer, in ringing order; a guardian signs in with the same phone."""

    __tablename__ = "wearer_contact"

    id: Mapped[int] = mapped_column(primary_key=True)
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"), index=True)
    code: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(sa.String(80))
    phone: Mapped[str] = mapped_column(sa.String(20), index=True)
    relation: Mapped[str] = mapped_column(sa.String(40), default="")
    role: Mapped[str] = mapped_column(sa.String(16))
    position: Mapped[int]


class WearerState(Model):
    """The newest of everything about one wearer; each value beside the time it was measured."""

    __tablename__ = "wearer_state"

    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"), primary_key=True)
    heard_at: Mapped[dt.datetime | None]
    fix_at: Mapped[dt.datetime | None]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    accuracy_m: Mapped[float | None]
    source: Mapped[str | None] = mapped_column(sa.String(8))
    speed_m_s: Mapped[float | None]
    heart_rate_at: Mapped[dt.datetime | None]
    heart_rate_bpm: Mapped[float | None]
    blood_pressure_at: Mapped[dt.datetime | None]
    systolic_mmhg: Mapped[float | None]
    diastolic_mmhg: Mapped[float | None]
    spo2_at: Mapped[dt.datetime | None]
    spo2_pct: Mapped[float | None]
    body_temp_at: Mapped[dt.datetime | None]
    body_temp_c: Mapped[float | None]
    steps_at: Mapped[dt.datetime | None]
    steps: Mapped[int | None]
    battery_at: Mapped[dt.datetime | None]
    battery_pct: Mapped[float | None]
    worn_at: Mapped[dt.datetime | None]
    worn: Mapped[bool | None]


class FixHistory(Model):
    """Every position reported, late ones too."""

    __tablename__ = "fix_history"
    __table_args__ = (sa.Index("ix_fix_history_wearer_at", "wearer_id", "at_ms"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    wearer_id: Mapped[int]
    at_ms: Mapped[int] = mapped_column(sa.BigInteger)
    received_ms: Mapped[int] = mapped_column(sa.BigInteger)
    lat: Mapped[float]
    lon: Mapped[float]
    accuracy_m: Mapped[float | None]
    speed_m_s: Mapped[float | None]
    source: Mapped[str | None] = mapped_column(sa.String(8))
    valid: Mapped[bool]
    backlog: Mapped[bool]


class VitalHistory(Model):
    """Every other reading; blood pressure has its diastolic value in `second`."""

    __tablename__ = "vital_history"
    __table_args__ = (sa.Index("ix_vital_history_wearer_kind_at", "wearer_id", "kind", "at_ms"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    wearer_id: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(16))
    at_ms: Mapped[int] = mapped_column(sa.BigInteger)
    received_ms: Mapped[int] = mapped_column(sa.BigInteger)
    value: Mapped[float]
    second: Mapped[float | None]
    backlog: Mapped[bool]

    @property
    def at(self) -> dt.datetime:
        """When it was measured."""
        return dt.datetime.fromtimestamp(self.at_ms / 1000, dt.UTC)


class AlarmRecord(Model):
    """One alarm a rule raised."""

    __tablename__ = "alarm"
    __table_args__ = (sa.UniqueConstraint("gateway", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    gateway: Mapped[str] = mapped_column(sa.String(64))
    code: Mapped[str] = mapped_column(sa.String(160))
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    severity: Mapped[str] = mapped_column(sa.String(16))
    at: Mapped[dt.datetime] = mapped_column(index=True)
    incident: Mapped[str | None] = mapped_column(sa.String(64))
    why: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    late: Mapped[bool] = mapped_column(default=False)
    drill: Mapped[bool] = mapped_column(default=False)


class Incident(Model):
    """An incident as its gateway last described it; `view` is that description, whole."""

    __tablename__ = "incident"
    __table_args__ = (sa.UniqueConstraint("gateway", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    gateway: Mapped[str] = mapped_column(sa.String(64))
    code: Mapped[str] = mapped_column(sa.String(64), index=True)
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id"), index=True)
    state: Mapped[str] = mapped_column(sa.String(16), index=True)
    severity: Mapped[str] = mapped_column(sa.String(16))
    opened_at: Mapped[dt.datetime] = mapped_column(index=True)
    view: Mapped[str] = mapped_column(sa.Text)
    """The `IncidentView` as JSON."""

    wearer: Mapped[Wearer] = relationship()


class IncidentLine(Model):
    """One line of an incident's story; (`incident_id`, `seq`, `n`) is its identity for ever.

    `seq` is the gateway's row that brought it, `n` its place in that row.
    """

    __tablename__ = "incident_line"
    __table_args__ = (sa.UniqueConstraint("incident_id", "seq", "n"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(sa.ForeignKey("incident.id", ondelete="CASCADE"))
    seq: Mapped[int] = mapped_column(sa.BigInteger)
    n: Mapped[int]
    at_ms: Mapped[int] = mapped_column(sa.BigInteger)
    what: Mapped[str] = mapped_column(sa.String(32))
    who: Mapped[str] = mapped_column(sa.Text)
    channel: Mapped[str] = mapped_column(sa.String(16))
    detail: Mapped[str] = mapped_column(sa.Text)
    carrier: Mapped[str] = mapped_column(sa.String(64))

    @property
    def at(self) -> dt.datetime:
        """When it happened."""
        return dt.datetime.fromtimestamp(self.at_ms / 1000, dt.UTC)


class HealthReport(Model):
    """How a gateway said it is, the newest word only; `body` is the `GatewayHealth` as JSON."""

    __tablename__ = "gateway_health"

    gateway: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    at: Mapped[dt.datetime]
    body: Mapped[str] = mapped_column(sa.Text)


class Command(Model):
    """An order to a gateway: `queued`, then `done` or `refused` with the gateway's reason.

    `dropped`: taken back by whoever gave it; a gateway that has it already may carry it out all the same.
    """

    __tablename__ = "gateway_command"
    __table_args__ = (sa.UniqueConstraint("gateway", "number"), sa.UniqueConstraint("gateway", "command"))

    id: Mapped[int] = mapped_column(primary_key=True)
    gateway: Mapped[str] = mapped_column(sa.String(64))
    number: Mapped[int] = mapped_column(sa.BigInteger)
    command: Mapped[str] = mapped_column(sa.String(200))
    name: Mapped[str] = mapped_column(sa.String(32))
    incident: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    body: Mapped[str] = mapped_column(sa.Text)
    """The `PortalCommand` as JSON."""
    state: Mapped[str] = mapped_column(sa.String(16), default="queued")
    reason: Mapped[str] = mapped_column(sa.Text, default="")
    by_user: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]


class ProfileVersion(Model):
    """A wearer's profile as their gateway used it at some time; the one of the highest number is in force."""

    __tablename__ = "profile_version"
    __table_args__ = (sa.UniqueConstraint("wearer_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"))
    version: Mapped[int]
    source: Mapped[str] = mapped_column(sa.String(16))
    at: Mapped[dt.datetime]
    by: Mapped[str] = mapped_column(sa.String(120), default="")
    restores: Mapped[int | None]
    body: Mapped[str] = mapped_column(sa.Text)
    """The `Profile` as JSON."""


class BandOrder(Model):
    """An order to a band; one row for each band it reached, one without a band until then.

    `state` is `queued` while its gateway has not fetched it, then the gateway's own word
    (`gateway.model.BandOrderState`).
    """

    __tablename__ = "band_order"
    __table_args__ = (
        sa.UniqueConstraint("gateway", "order", "device"),
        sa.Index("ix_band_order_wearer_given", "wearer_id", "given_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    gateway: Mapped[str] = mapped_column(sa.String(64))
    order: Mapped[str] = mapped_column(sa.String(200))
    device: Mapped[str] = mapped_column(sa.String(64), default="")
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(32))
    text: Mapped[str] = mapped_column(sa.String(200), default="")
    interval_s: Mapped[int | None]
    state: Mapped[str] = mapped_column(sa.String(16))
    final: Mapped[bool] = mapped_column(default=False)
    detail: Mapped[str] = mapped_column(sa.String(400), default="")
    """A constant word of the gateway's (`revoked`), or what the band or the gateway itself said."""
    by: Mapped[str] = mapped_column(sa.String(120), default="")
    incident: Mapped[str] = mapped_column(sa.String(64), default="")
    given_at: Mapped[dt.datetime]
    at: Mapped[dt.datetime]
    """When it got where it stands."""
    until: Mapped[dt.datetime | None]


class Change(Model):
    """Something people may be looking at changed; the rising `seq` is what live pages follow."""

    __tablename__ = "change"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    topic: Mapped[str] = mapped_column(sa.String(16))
    """`wearer`, `incident`, `roster`, `health`, `rights` or `account`."""
    subject: Mapped[int]
    """The id of the wearer, incident or account; 0 for a roster and for a gateway's health."""
    wearer_id: Mapped[int | None]
    """Whose privacy decides who hears of it."""


class AuditEntry(Model):
    """One look at, or action on, somebody's personal data; each entry seals the one before it."""

    __tablename__ = "audit_entry"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    at_ms: Mapped[int] = mapped_column(sa.BigInteger)
    actor: Mapped[str] = mapped_column(sa.String(120))
    action: Mapped[str] = mapped_column(sa.String(40))
    subject: Mapped[str] = mapped_column(sa.String(160), index=True)
    detail: Mapped[str] = mapped_column(sa.Text, default="")
    previous: Mapped[str] = mapped_column(sa.String(64))
    seal: Mapped[str] = mapped_column(sa.String(64), unique=True)


class AuditAnchor(Model):
    """Where the record ends: its last entry and how many there are, sealed with the portal's key; one row."""

    __tablename__ = "audit_anchor"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(sa.BigInteger)
    entries: Mapped[int] = mapped_column(sa.BigInteger)
    seal: Mapped[str] = mapped_column(sa.String(64))
    mac: Mapped[str] = mapped_column(sa.String(64))
