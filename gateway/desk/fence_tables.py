"""A fence as a table for `config.toml`; pure, standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_toml(title: str, table: Mapping[str, Any]) -> str:
    """Give one table of an array of tables (TOML 1.0.0), a key a line."""
    return f"[[{title}]]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)
