"""Finds plug-ins by folder: one module, one plug-in, one name; a duplicate is an error."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import Any

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
    """The module names in the folder of this kind of plug-in, sorted, without importing them."""
    folder = importlib.import_module(KINDS[kind][0])
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folder.__path__)))


@cache
def load(kind: str) -> MappingProxyType[str, Any]:
    """Import every plug-in of a kind ("codec", "transport", "rule", "carrier"), by the name it declares.

    Raises ValueError when two modules declare the same name.
    """
    package, attribute = KINDS[kind]
    found: dict[str, Any] = {}
    for module_name in names(kind):
        plugin = getattr(importlib.import_module(f"{package}.{module_name}"), attribute, None)
        if plugin is None:
            continue
        if plugin.name in found:
            message = f"two {kind} plug-ins are called {plugin.name!r}: {found[plugin.name]} and {plugin}"
            raise ValueError(message)
        found[plugin.name] = plugin
    return MappingProxyType(found)
