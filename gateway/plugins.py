"""Finds plug-ins by folder: one module, one plug-in, one name; a duplicate is an error."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

KINDS = MappingProxyType(
    {
        "codec": ("gateway.codecs", "CODEC"),
        "transport": ("gateway.transports", "TRANSPORT"),
        "rule": ("gateway.rules", "RULE"),
        "carrier": ("sos.carriers", "CARRIER"),
    }
)


@cache
def names(kind: str) -> tuple[str, ...]:
    """The names of all plug-ins of this kind, sorted, without importing them.

    A plug-in's module is named like the plug-in and ends with a line such as `CODEC = TheClass`.
    """
    package, attribute = KINDS[kind]
    folder = importlib.import_module(package)
    return tuple(
        sorted(
            module.name
            for module in pkgutil.iter_modules(folder.__path__)
            if re.search(rf"^{attribute} = ", _source(folder.__path__[0], module.name), re.MULTILINE)
        )
    )


def _source(folder: str, name: str) -> str:
    return Path(folder, f"{name}.py").read_text(encoding="utf-8")


@cache
def get(kind: str, name: str) -> Any:
    """Import one plug-in, and nothing else; its module is named like it.

    Raises KeyError when there is no such plug-in.
    """
    package, attribute = KINDS[kind]
    if name not in names(kind):
        raise KeyError(name)
    return getattr(importlib.import_module(f"{package}.{name}"), attribute)


def settings_of(kind: str, name: str) -> Any:
    """The type of the plug-in's own table in config.toml: its class's `Settings`, or its module's.

    A carrier's is a dataclass in its module, because `sos` knows no library of the gateway.
    """
    plugin = get(kind, name)
    return getattr(plugin, "Settings", None) or sys.modules[plugin.__module__].Settings


@cache
def load(kind: str) -> MappingProxyType[str, Any]:
    """Import every plug-in of a kind ("codec", "transport", "rule", "carrier"), by the name it declares.

    Raises ValueError when a plug-in is not called like its module: two of one name are thereby impossible.
    """
    found = {name: get(kind, name) for name in names(kind)}
    for name, plugin in found.items():
        if plugin.name != name:
            raise ValueError(f"the {kind} in module {name} calls itself {plugin.name!r}")
    return MappingProxyType(found)


def make_codec(protocol: str, settings: Any, now: Callable[[], datetime], bands: Any = None) -> Any:
    """A new codec of this protocol for one link; `settings` is the link's own table, checked at start.

    `bands` is a `gateway.codecs.base.Bands`.
    """
    kind = get("codec", protocol)
    return kind(msgspec.convert(settings or {}, kind.Settings), now=now, bands=bands)
