"""What gateway and portal say about plain texts, the duty calendar, test calls and bands.

Part of the wire schema (`gateway.told`): docs/orders-from-the-portal.md says who sends what, and when.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

TextPurpose = Literal["code", "invitation", "notice"]
"""What a plain text is: after an unclear outcome a one-time code is sent again, the others are not."""

RefusedText = Literal["expired", "no_carrier", "busy", "bad_number", "bad_text", "too_many", "unclear"]
"""Why a plain text was not sent; `unclear`: the carrier may or may not have it, and it is not sent again."""

CallState = Literal[
    "waiting",
    "ringing",
    "answered",
    "confirmed",
    "no_key",
    "no_answer",
    "busy",
    "voicemail",
    "failed",
    "cancelled",
]
"""A test call: `confirmed` is a pressed 1; `cancelled` made room for a real alarm."""

TextState = Literal["none", "waiting", "sent", "delivered", "failed"]
"""The text of a test call; `none` where none was ordered."""


class DutySpan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One person is on duty from `starts_at` until just before `ends_at`.

    `contact` names the person for ever; of several on duty at once the lowest `order` is rung first.
    """

    contact: str
    name: str
    phone: str
    starts_at: datetime
    ends_at: datetime
    order: int = 0
    lang: Literal["zh", "en"] = "zh"


class OnDuty(msgspec.Struct, frozen=True, kw_only=True):
    """Who of the staff would be rung first now; `source`: the portal's calendar, or [[staff]] of the file."""

    contact: str
    name: str
    phone: str
    source: Literal["portal", "file"]


class DutyInForce(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="duty"):
    """The calendar the gateway follows, and who is on duty by it; each one sent replaces the last.

    `version` is the portal's own number of it, 0 where none was ever ordered;
    `until` is when its last span ends.
    It is told again whenever `on_duty` changes, at the turn of a shift too.
    """

    version: int
    at: datetime
    on_duty: tuple[OnDuty, ...]
    until: datetime | None = None


class TestCallChanged(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="test_call", omit_defaults=True
):
    """A test call got further; `test` is the `command` that ordered it; each one sent replaces the last.

    `contact` and `name` say who is rung, `wearer` about whom, empty for a person of the staff.
    `final` is true where nothing more will be heard of it.
    """

    __test__ = False  # no test class, whatever its name suggests

    test: str
    contact: str
    name: str
    call: CallState
    text: TextState
    at: datetime
    ordered_at: datetime
    wearer: str = ""
    by: str = ""
    digit: str = ""
    final: bool = False


class BandView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One band as it is provisioned; `device` is its identity, `wire_id` what it calls itself.

    `key`: whether it has to prove itself on its wire. When it was last heard, and its charge,
    are in its `Telemetry`.
    """

    device: str
    wire_id: str
    protocol: str
    wearer: str
    state: Literal["active", "revoked"]
    key: Literal["none", "set"]
    source: Literal["file", "store"]
    model: str = ""
    serial: str = ""
    name: str = ""
    changed_at: datetime | None = None


class BandsTold(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="bands"):
    """Every band of this gateway, revoked ones too; each one sent replaces the last."""

    bands: tuple[BandView, ...]


class BandKeyTold(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="band_key", omit_defaults=True
):
    """What to type into a band after `register_band` or `rekey_band`; `command` is that order's.

    `settings` are what is no secret (host, port, user name), in the order in which they are typed;
    `sealed` is the key, sealed to `seal_to` of the order (`gateway.bands.sealing` says how, base64);
    empty where its wire has no login.
    """

    command: str
    device: str
    settings: tuple[tuple[str, str], ...]
    sealed: str = ""
