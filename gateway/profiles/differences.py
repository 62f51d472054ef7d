"""How two configurations differ, as dotted paths: what a reload uses at once, and what waits for a restart.

Pure. Never a value, for some are secrets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.config import Settings

READ_ALONG = frozenset({"journal.max_event_age_s", "site.fences_dir", "site.holidays_file"})
"""Keys that are used at once through what they lead to: rules, fences, holidays."""
LINKS = ("portal_link", "portal", "demo")
PARTS = ("mode", "site", "journal", "sos", "transports", "carriers", "models", *LINKS)
"""What cannot change while the gateway runs, `sos.plans` excepted."""


def applied(before: Settings, after: Settings) -> Iterator[str]:
    """Name what of the community holds now and did not before."""
    if before.staff != after.staff:
        yield "staff"
    yield from differences(before.sos.plans, after.sos.plans, "sos.plans")
    then, now = ({wearer.id: wearer for wearer in one.wearers} for one in (before, after))
    for wearer in sorted(then.keys() & now.keys()):
        if then[wearer].devices != now[wearer].devices:
            yield f"wearers.{wearer}.devices"
    settings = before.community_rules.settings, after.community_rules.settings
    yield from differences(dict(settings[0]), dict(settings[1]), "rules")


def waits(running: Settings, read: Settings) -> Iterator[str]:
    """Name what is another in the file and cannot change while the gateway runs."""
    sos = msgspec.structs.replace(read.sos, plans=running.sos.plans)
    read = msgspec.structs.replace(read, sos=sos)
    for part in PARTS:
        for key in differences(getattr(running, part), getattr(read, part), part):
            if key not in READ_ALONG:
                yield key


def differences(before: Any, after: Any, path: str) -> Iterator[str]:
    """Give the dotted paths at which two tables differ."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        missing = object()
        for key in sorted({*before, *after}):
            yield from differences(before.get(key, missing), after.get(key, missing), f"{path}.{key}")
        return
    names = _field_names(before) if type(before) is type(after) else ()
    for name in names:
        yield from differences(getattr(before, name), getattr(after, name), f"{path}.{name}")
    if not names:
        yield path


def _field_names(table: Any) -> tuple[str, ...]:
    if isinstance(table, msgspec.Struct):
        return table.__struct_fields__
    if dataclasses.is_dataclass(table):
        return tuple(one.name for one in dataclasses.fields(table))
    return ()
