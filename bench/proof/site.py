"""A small site: three wearers, their families, two on duty; the product's own reader takes it in."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path

import msgspec

from gateway.config import Settings, load

COMMUNITY = """
mode = "demo"
[site]
gateway = "gw"
community = "xinhe"
name = "新河苑"
data_dir = "var"
map_dir = "no map"
[rules.silence]
silent_after_s = 2592000
[sos]
carriers = ["twilio"]
[sos.plans.sos]
rounds = 2
ring_timeout_s = 20
repeat_after_s = 60
position_text_interval_s = 30
[carriers.twilio]
account_sid = "AC"
auth_token = { file = "none" }
from_number = "+15005550006"
callback_url = "http://127.0.0.1:1/twilio"
"""
STAFF = """
[[staff]]
id = "{id}"
name = "值班 {id}"
phone = "{phone}"
"""
WEARER = """
[[wearers]]
id = "{id}"
name = "{name}"
devices = [{{ id = "band-{id}", protocol = "senml", key = {{ file = "none" }} }}]
contacts = [{contacts}]
"""
FAMILIES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "zhang": ("张桂兰", (("son", "+8613800138001"), ("daughter", "+8613800138002"))),
    "wang": ("王德顺", (("niece", "+8613800138003"),)),
    "chen": ("陈秀英", (("husband", "+8613800138004"), ("sister", "+8613800138005"))),
}
DUTY = (("desk", "+8613800138090"), ("guard", "+8613800138091"))
PHONES = {contact: phone for _, family in FAMILIES.values() for contact, phone in family} | dict(DUTY)


@cache
def settings(folder: Path) -> Settings:
    """The site's settings, read once a process."""
    text = COMMUNITY + "".join(STAFF.format(id=name, phone=phone) for name, phone in DUTY)
    for wearer, (name, family) in FAMILIES.items():
        contacts = ", ".join(
            f'{{ id = "{contact}", name = "{contact}", phone = "{phone}" }}' for contact, phone in family
        )
        text += WEARER.format(id=wearer, name=name, contacts=contacts)
    path = folder / "proof.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def settings_in(folder: Path, data_dir: Path, *, settle_s: float, wearers: AbstractSet[str]) -> Settings:
    """The same for one schedule: its journal lies in `data_dir`, and only these wearers live here."""
    base = settings(folder)
    return msgspec.structs.replace(
        base,
        site=msgspec.structs.replace(base.site, data_dir=str(data_dir)),
        sos=msgspec.structs.replace(base.sos, settle_s=settle_s),
        wearers=tuple(one for one in base.wearers if one.id in wearers),
    )
