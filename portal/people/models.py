"""Accounts, their roles and the organisations they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask_security import RoleMixin, UserMixin
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal import policy
from portal.db import Model

if TYPE_CHECKING:
    from collections.abc import Iterable

account_roles = sa.Table(
    "account_roles",
    Model.metadata,
    sa.Column("user_id", sa.ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("role_id", sa.ForeignKey("role.id", ondelete="CASCADE"), primary_key=True),
)


class Organisation(Model):
    """A community (社区) or a body inside it, such as the residents' committee (居委会)."""

    __tablename__ = "organisation"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """The community's short name as gateways and topics use it, or a body's own code."""
    name: Mapped[str] = mapped_column(sa.String(120))
    kind: Mapped[str] = mapped_column(sa.String(32))
    """`community` or `committee`."""
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organisation.id"), index=True)

    parent: Mapped[Organisation | None] = relationship(remote_side="Organisation.id")


class Role(Model, RoleMixin):
    """One of `portal.policy.Role`, as Flask-Security wants it stored."""

    __tablename__ = "role"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    description: Mapped[str | None] = mapped_column(sa.String(200))


class User(Model, UserMixin):
    """An account; `phone` (E.164) is how a person signs in."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(sa.String(20), unique=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    password: Mapped[str | None] = mapped_column(sa.String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(sa.String(64), unique=True)
    organisation_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organisation.id"), index=True)
    demo: Mapped[bool] = mapped_column(default=False)
    """Made by the demonstration; never let in while the portal is live."""

    organisation: Mapped[Organisation | None] = relationship()
    roles: Mapped[list[Role]] = relationship(  # type: ignore[assignment]  # the mixin's list is invariant
        secondary=account_roles, lazy="selectin"
    )

    @property
    def viewer(self) -> policy.Viewer:
        """This account as the policies see it."""
        organisation = self.organisation
        if organisation is not None and organisation.kind != "community" and organisation.parent is not None:
            organisation = organisation.parent
        return policy.Viewer(
            user=self.id,
            name=self.name,
            phone=self.phone,
            community=organisation.code if organisation is not None else "",
            roles=known_roles(role.name for role in self.roles),
        )


def known_roles(names: Iterable[str]) -> frozenset[policy.Role]:
    """The roles the policies know; a name they don't know grants nothing."""
    known = {role.value: role for role in policy.Role}
    return frozenset(known[name] for name in names if name in known)
