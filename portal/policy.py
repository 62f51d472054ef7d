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

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


class Role(StrEnum):
    """What an account may be; one account may be several."""

    RESIDENT = "resident"
    GUARDIAN = "guardian"
    GRID_WORKER = "grid_worker"
    STAFF = "staff"
    ADMIN = "admin"


WATCHERS = frozenset({Role.STAFF, Role.GRID_WORKER, Role.ADMIN})
"""Who watches over a whole community."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who is looking; `user` is None for somebody not signed in."""

    user: int | None = None
    name: str = ""
    phone: str = ""
    community: str = ""
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


def sees_wearer(viewer: Viewer, *, community: str, contact_phones: Iterable[str]) -> bool:
    """Whether this viewer may see this wearer at all.

    Watchers see the wearers of their own community.
    A guardian sees exactly those who name the guardian's phone as a contact.
    Everybody else sees none.
    """
    if not viewer.signed_in:
        return False
    if viewer.roles & WATCHERS and viewer.community == community:
        return True
    return Role.GUARDIAN in viewer.roles and bool(viewer.phone) and viewer.phone in set(contact_phones)


def commands_band(viewer: Viewer, *, community: str, contact_phones: Iterable[str]) -> bool:
    """Whether this viewer may give orders to this wearer's band: staff of the community, and guardians.

    Who only watches (a grid worker, an administrator) sees what was ordered and gives no orders.
    """
    if tunes_rules(viewer, community=community):
        return True
    guardian = replace(viewer, roles=viewer.roles & {Role.GUARDIAN})
    return sees_wearer(guardian, community=community, contact_phones=contact_phones)


def edits_profile(viewer: Viewer, *, community: str, contact_phones: Iterable[str]) -> bool:
    """Whether this viewer may change who is told of this wearer, their fences and limits.

    They are those who may give orders to the band; who only watches reads them.
    Telephone numbers that are no longer in force, or not yet, are shown to nobody else.
    """
    return commands_band(viewer, community=community, contact_phones=contact_phones)


def tunes_rules(viewer: Viewer, *, community: str) -> bool:
    """Whether this viewer may also change how an SOS, silence and the like are judged, and the BeiDou number.

    A family changes people, fences and limits; what a wrong value would make deaf is the staff's.
    """
    return Role.STAFF in viewer.roles and viewer.signed_in and viewer.community == community
