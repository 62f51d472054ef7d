"""The forms about bands: registering one, and the reason for another key or a revocation."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.bands.naming import MOST_CHARACTERS, is_id, is_line
from portal.care.bands.makes import choice_of, choices, protocol_of
from portal.care.bands.provisioning import WAITS, Order
from portal.care.models import Wearer
from portal.care.sites.models import Band
from portal.fields import Choice, Field, Filled
from portal.i18n import gettext
from portal.words import fill

REASON_CHARACTERS = 100
BY_SERIAL = "jt808"
"""The protocol whose bands say a serial number besides."""


def register_fields(wearers: Mapping[int, Wearer]) -> tuple[Field, ...]:
    """What is asked to register a band."""
    present = [row for row in wearers.values() if row.present]
    several = len({row.gateway for row in present}) > 1
    with_serial = "|".join(one.value for one in choices() if protocol_of(one.value)[0] == BY_SERIAL)
    return (
        Field(
            name="wearer",
            kind="select",
            label=gettext("给谁戴"),
            hint=gettext("手环接到这位佩戴者的守望设备上"),
            choices=tuple(Choice(value=str(row.id), label=_named(row, several=several)) for row in present),
        ),
        Field(
            name="make",
            kind="select",
            label=gettext("是什么手环"),
            hint=gettext("型号里没有的，按它的线路选前面的通用项"),
            choices=choices(),
        ),
        Field(
            name="number",
            kind="text",
            label=gettext("手环号码"),
            hint=gettext(
                "手环连上来时自报的号码：多数印在背面（IMEI 或终端手机号）；MQTT、CoAP 手环可以自己起名"
            ),
            max_length=MOST_CHARACTERS,
            autocomplete="off",
        ),
        Field(
            name="serial",
            kind="text",
            label=gettext("机身号"),
            hint=gettext("部标终端背面的终端 ID；写下后，报别的机身号的会被拒绝"),
            required=False,
            max_length=MOST_CHARACTERS,
            autocomplete="off",
            when_field="make",
            when_value=with_serial,
        ),
        Field(
            name="label",
            kind="text",
            label=gettext("大家怎么叫它"),
            hint=gettext("例如：左手、备用"),
            required=False,
            max_length=MOST_CHARACTERS,
            autocomplete="off",
        ),
    )


def begun(wearer: str, band: Band | None, order: Order | None) -> Filled:
    """The form as it begins: empty, for a wearer, for a band that was revoked, or like a refused order."""
    raw = {"wearer": wearer}
    if band is not None:
        raw |= {"make": choice_of(band.protocol, band.model), "number": band.wire_id}
        raw |= {"serial": band.serial, "label": band.name}
    if order is not None and order.name == "register_band":
        body = order.body
        raw |= {"wearer": str(order.wearer.id), "make": choice_of(body.protocol or "", body.model or "")}
        raw |= {"number": body.wire_id or "", "serial": body.serial or "", "label": body.label or ""}
    return Filled(raw=raw)


def read(fields: Sequence[Field], typed: Mapping[str, list[str]]) -> Filled:
    """Read what was sent; a number is taken as people type it, full-width too, and judged as gateways do."""
    plain = {name: list(values) for name, values in typed.items()}
    for name in ("number", "serial"):
        plain[name] = [unicodedata.normalize("NFKC", value).strip() for value in plain.get(name, [])]
    form = fill(fields, plain)
    number = str(form.values.get("number", ""))
    if number and not is_id(number):
        form.errors["number"] = gettext("号码里不能有空格和 / + # $，最多 64 个字。")
    for name in ("serial", "label"):
        if name in form.values and not is_line(str(form.values[name])):
            form.errors[name] = gettext("请写在一行里，最多 64 个字。")
    return form


def taken(
    session: Session, wearer: Wearer, number: str, *, seen: Mapping[int, Wearer], given: Sequence[Order]
) -> str:
    """Why a number cannot be registered at this wearer's gateway; empty where nothing is known against it."""
    here = Band.gateway == wearer.gateway, Band.state == "active"
    query = sa.select(Band).where(*here, sa.or_(Band.wire_id == number, Band.device == number))
    other = session.scalar(query.limit(1))
    if other is not None and other.wearer_id in seen:
        name = seen[other.wearer_id].name
        return gettext("这个号码已经登记给 %(name)s 了。要换人戴，先停用那一只。", name=name)
    if other is not None:
        return gettext("这个号码已经有手环在用，请核对。")
    waits = any(
        one.name == "register_band"
        and one.state == WAITS
        and one.gateway == wearer.gateway
        and one.body.wire_id == number
        for one in given
    )
    return gettext("这个号码正在登记，还在等守望设备。") if waits else ""


def identity_of(session: Session, gateway: str, number: str) -> str:
    """The identity a revoked band of this number had, so that its history stays with it; else empty."""
    query = sa.select(Band.device).where(
        Band.gateway == gateway, Band.wire_id == number, Band.state == "revoked", Band.device != number
    )
    return session.scalar(query.limit(1)) or ""


def reason_fields(*, revoke: bool) -> tuple[Field, ...]:
    """Why, and for a revocation that it is known what it means."""
    why = Field(
        name="reason",
        kind="text",
        label=gettext("为什么"),
        hint=gettext("例如：手环丢了、送修、换了一只。会记在操作记录里"),
        max_length=REASON_CHARACTERS,
        autocomplete="off",
    )
    if not revoke:
        return (why,)
    known = Field(name="known", kind="agree", label=gettext("我知道：停用以后，它按求救没有人听得到"))
    return (why, known)


def _named(row: Wearer, *, several: bool) -> str:
    return " · ".join(filter(None, (row.name, row.home, row.gateway if several else "")))
