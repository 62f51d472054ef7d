"""Who may see what: pure decisions, no Flask, no database.

Every view says its policy with `@declare(...)`; a view without one is refused to everybody.
Who is not allowed is told "not found", never "forbidden": a stranger learns nothing from the answer.

    from portal.policy import ANYONE, SIGNED_IN, Role, declare, only

    @blueprint.get("/")
    @declare(ANYONE)
    def index() -> str: ...

    @blueprint.get("/desk/")
    @declare(only(Role.STAFF, Role.ADMIN))
    def desk() -> str: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


class Role(StrEnum):
    """What an account may be, each at one place of the organisation tree; one account may be several."""

    RESIDENT = "resident"
    GUARDIAN = "guardian"
    WEARER = "wearer"
    VOLUNTEER = "volunteer"
    GRID_WORKER = "grid_worker"
    PROPERTY = "property"
    """The property company (物业)."""
    OWNERS = "owners"
    """The owners' committee (业委会)."""
    STAFF = "staff"
    """The residents' committee (居委会)."""
    DEPARTMENT = "department"
    STREET = "street"
    """The street or town (街道、镇)."""
    DISTRICT = "district"
    ADMIN = "admin"


PRIVATE = frozenset({Role.RESIDENT, Role.GUARDIAN, Role.WEARER, Role.VOLUNTEER})
"""What a person is for themselves; every other role is an office, and is acted in one at a time."""

WATCHERS = frozenset({Role.STAFF, Role.GRID_WORKER, Role.ADMIN})
"""Who watches over a whole community, or over their part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who is looking, in the capacity they act in now; `user` is None for somebody not signed in.

    `scope` is the path of the place in the organisation tree this capacity was given for.
    `community` is the community that place lies in, empty above all communities.
    `part` is the same path where it is only a part of the community (a grid, a building), else empty.
    """

    user: int | None = None
    name: str = ""
    phone: str = ""
    community: str = ""
    scope: str = ""
    part: str = ""
    roles: frozenset[Role] = field(default_factory=frozenset)

    @property
    def signed_in(self) -> bool:
        """Whether this is an account and not a passer-by."""
        return self.user is not None


NOBODY = Viewer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Who may call a view.

    `anyone`: no account needed.
    `machine`: not a person at all; the view itself checks a token or a signature.
    `closed`: nobody; a view a library brought along that this portal does not offer.
    `roles`: one of these is needed; empty means any account.
    """

    anyone: bool = False
    machine: bool = False
    closed: bool = False
    roles: frozenset[Role] = field(default_factory=frozenset)


ANYONE = Policy(anyone=True)
SIGNED_IN = Policy()
MACHINE = Policy(anyone=True, machine=True)
CLOSED = Policy(closed=True)


class Verdict(StrEnum):
    """What a request is told."""

    ALLOWED = "allowed"
    SIGN_IN = "sign_in"
    NOT_FOUND = "not_found"


def only(*roles: Role) -> Policy:
    """Accounts with at least one of these roles."""
    return Policy(roles=frozenset(roles))


def declare(policy: Policy) -> Callable[[View], View]:
    """Say who may call the decorated view."""

    def mark(view: View) -> View:
        view.policy = policy  # type: ignore[attr-defined]  # a function carries its policy as an attribute
        return view

    return mark


def declared(view: Any) -> Policy | None:
    """The policy a view declared, None when it declared none."""
    policy = getattr(view, "policy", None)
    return policy if isinstance(policy, Policy) else None


def judge(policy: Policy | None, viewer: Viewer) -> Verdict:
    """Decide about one request; a view without a policy is open to nobody."""
    if policy is None or policy.closed:
        return Verdict.NOT_FOUND
    if policy.anyone:
        return Verdict.ALLOWED
    if not viewer.signed_in:
        return Verdict.SIGN_IN
    if policy.roles and not policy.roles & viewer.roles:
        return Verdict.NOT_FOUND
    return Verdict.ALLOWED


class Data(StrEnum):
    """Sensitive personal data (PIPL art. 28), consented to one by one (art. 29)."""

    LOCATION = "location"
    HEALTH = "health"
    FACE = "face"


class Audience(StrEnum):
    """Who a consent is for."""

    GUARDIANS = "guardians"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a decision about one wearer rests on.

    `place` is the path of the wearer's household, or of whatever is known of where they live; may be empty.
    `contact_phones` are the numbers that are called for them; whoever signs in with one is called, too.
    `guardians` are the accounts whose guardianship is confirmed and in force, `own` the wearer's account.
    `deciders` are those of the guardians who decide for a wearer who cannot (Civil Code art. 28, 33).
    `paused` are guardians somebody objected to: until the committee has looked they hear alarms, and no more.
    `consents` are those in force; `emergency`: somebody is needed at once (PIPL art. 13 (4)).
    `searched`: they are lost and looked for, which is an emergency of where they are alone.
    """

    community: str
    place: str = ""
    contact_phones: frozenset[str] = frozenset()
    guardians: frozenset[int] = frozenset()
    deciders: frozenset[int] = frozenset()
    paused: frozenset[int] = frozenset()
    own: int | None = None
    consents: frozenset[tuple[Data, Audience]] = frozenset()
    emergency: bool = False
    searched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What somebody may see of a wearer they may see at all: who it is and their alarms always."""

    location: bool
    health: bool
    face: bool = False


WHOLE = Sight(location=True, health=True, face=True)


def guards(viewer: Viewer, facts: Facts) -> bool:
    """Whether this viewer is called for this wearer, or is their confirmed guardian."""
    if not viewer.signed_in or Role.GUARDIAN not in viewer.roles or viewer.user in facts.paused:
        return False
    return viewer.user in facts.guardians or _is_called(viewer, facts)


def is_paused(viewer: Viewer, facts: Facts) -> bool:
    """Whether this viewer is a guardian somebody objected to, and the committee has not judged it yet."""
    return viewer.signed_in and Role.GUARDIAN in viewer.roles and viewer.user in facts.paused


def _is_called(viewer: Viewer, facts: Facts) -> bool:
    return bool(viewer.phone) and viewer.phone in facts.contact_phones


def watches(viewer: Viewer, facts: Facts) -> bool:
    """Whether this viewer watches over the place this wearer lives in."""
    if not viewer.signed_in or not viewer.roles & WATCHERS or viewer.community != facts.community:
        return False
    return facts.place.startswith(viewer.part)


def is_wearer(viewer: Viewer, facts: Facts) -> bool:
    """Whether the wearer is looking for themselves."""
    return viewer.signed_in and Role.WEARER in viewer.roles and viewer.user == facts.own


def sees_wearer(viewer: Viewer, facts: Facts) -> bool:
    """Whether this viewer may see this wearer at all.

    Watchers see the wearers of their own place, guardians exactly those they guard, wearers themselves.
    A guardian somebody objected to still hears the alarms. Everybody else sees none.
    """
    return (
        watches(viewer, facts)
        or guards(viewer, facts)
        or is_wearer(viewer, facts)
        or is_paused(viewer, facts)
    )


def sight(viewer: Viewer, facts: Facts) -> Sight | None:
    """What this viewer may see of this wearer, None for nothing.

    Where somebody is and how their heart beats are seen by those a consent in force names, by the wearer,
    and, while somebody is needed at once, by those who are called; while they are lost, where they are.
    A guardian somebody objected to sees neither, unless they are called in an emergency.
    """
    if not sees_wearer(viewer, facts):
        return None
    if is_paused(viewer, facts) and not (watches(viewer, facts) or is_wearer(viewer, facts)):
        return WHOLE if facts.emergency and _is_called(viewer, facts) else Sight(location=False, health=False)
    if is_wearer(viewer, facts) or facts.emergency:
        return WHOLE
    audiences = set()
    if watches(viewer, facts):
        audiences.add(Audience.STAFF)
    if guards(viewer, facts):
        audiences.add(Audience.GUARDIANS)

    def consented(data: Data) -> bool:
        return any((data, audience) in facts.consents for audience in audiences)

    return Sight(
        location=facts.searched or consented(Data.LOCATION),
        health=consented(Data.HEALTH),
        face=facts.searched or consented(Data.FACE),
    )


class Basis(StrEnum):
    """In what right somebody gives or withdraws a consent."""

    OWN = "own"
    """The wearer, for themselves."""
    GUARDIAN = "guardian"
    """A guardian who decides for a wearer who cannot."""
    PAPER = "paper"
    """Staff, on record of what one of those signed."""


def consents_as(viewer: Viewer, facts: Facts) -> Basis | None:
    """In what right this viewer may give and withdraw consents for this wearer; None: in none.

    Being called for somebody, or being their child, is no right to decide about their data.
    """
    if is_wearer(viewer, facts):
        return Basis.OWN
    if guards(viewer, facts) and viewer.user in facts.deciders:
        return Basis.GUARDIAN
    return Basis.PAPER if Role.STAFF in viewer.roles and watches(viewer, facts) else None


def commands_band(viewer: Viewer, facts: Facts) -> bool:
    """Whether this viewer may give orders to this wearer's band: staff of the place, and guardians.

    Who only watches (a grid worker, an administrator) sees what was ordered and gives no orders.
    """
    return tunes_rules(viewer, facts) or guards(viewer, facts)


def edits_profile(viewer: Viewer, facts: Facts) -> bool:
    """Whether this viewer may change who is told of this wearer, their fences and limits.

    They are those who may give orders to the band; who only watches reads them.
    Telephone numbers that are no longer in force, or not yet, are shown to nobody else.
    """
    return commands_band(viewer, facts)


def tunes_rules(viewer: Viewer, facts: Facts) -> bool:
    """Whether this viewer may also change how an SOS, silence and the like are judged, and the BeiDou number.

    A family changes people, fences and limits; what a wrong value would make deaf is the staff's.
    """
    return Role.STAFF in viewer.roles and watches(viewer, facts)


PROVISIONERS = frozenset({Role.STAFF, Role.ADMIN})
"""Who registers bands, gives them keys and revokes them."""


def provisions(viewer: Viewer, facts: Facts) -> bool:
    """Whether this viewer may register, rekey and revoke the bands of this wearer: the office of the place.

    A band that is revoked calls nobody any more, so neither a family nor a grid worker may do it.
    """
    return bool(viewer.roles & PROVISIONERS) and watches(viewer, facts)


KEEPERS = frozenset({Role.STAFF, Role.STREET, Role.DISTRICT, Role.ADMIN})
"""Who keeps the tree of places, each inside their own place."""

REGISTRARS = frozenset({Role.STAFF, Role.ADMIN})
"""Who keeps the register of residents and may open an identity number."""

AUDITORS = frozenset({Role.ADMIN})
"""Who reads the audit record."""


def reads_audit(viewer: Viewer) -> bool:
    """Whether this viewer reads the audit record of their community; above all communities nobody does."""
    return bool(viewer.roles & AUDITORS and viewer.community)


REGISTER_READERS = REGISTRARS | {Role.GRID_WORKER}
"""Who reads the register; a grid worker only of their part, without identity numbers."""


def keeps_place(viewer: Viewer, path: str) -> bool:
    """Whether this viewer sees the place of this path in the tree and may add places under it."""
    return bool(viewer.roles & KEEPERS and viewer.scope) and path.startswith(viewer.scope)


def changes_place(viewer: Viewer, path: str) -> bool:
    """Whether this viewer may rename, move or close a place: one inside their own, never their own."""
    return keeps_place(viewer, path) and path != viewer.scope


GRANTS: dict[Role, frozenset[Role]] = {
    Role.STAFF: frozenset({Role.RESIDENT, Role.VOLUNTEER, Role.GRID_WORKER, Role.PROPERTY, Role.OWNERS}),
    Role.ADMIN: frozenset(
        {
            Role.RESIDENT,
            Role.VOLUNTEER,
            Role.GRID_WORKER,
            Role.PROPERTY,
            Role.OWNERS,
            Role.STAFF,
            Role.DEPARTMENT,
        }
    ),
    Role.STREET: frozenset({Role.STAFF, Role.DEPARTMENT, Role.ADMIN}),
    Role.DISTRICT: frozenset({Role.STAFF, Role.DEPARTMENT, Role.ADMIN, Role.STREET}),
}
"""Who gives which roles; a role that is not a key gives none.

Guardians and wearers are not among them: they are judged by whom they care for, not by where they live.
"""

GIVEN_AT: dict[Role, frozenset[str]] = {
    Role.RESIDENT: frozenset({"household"}),
    Role.VOLUNTEER: frozenset({"community", "grid"}),
    Role.GRID_WORKER: frozenset({"community", "grid"}),
    Role.PROPERTY: frozenset({"property"}),
    Role.OWNERS: frozenset({"owners"}),
    Role.STAFF: frozenset({"committee"}),
    Role.DEPARTMENT: frozenset({"department"}),
    Role.ADMIN: frozenset({"committee", "community"}),
    Role.STREET: frozenset({"street"}),
}
"""At which kinds of places or bodies a role is given by invitation."""


def may_grant(viewer: Viewer, role: Role, *, path: str, kind: str) -> bool:
    """Whether this viewer may give a role at a place (its path and kind).

    Never outside their own place, and never a role that is not below one of theirs.
    """
    if not viewer.signed_in or not viewer.scope or not path.startswith(viewer.scope):
        return False
    if kind not in GIVEN_AT.get(role, frozenset()):
        return False
    return any(role in GRANTS.get(own, frozenset()) for own in viewer.roles)
