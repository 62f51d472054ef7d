"""Checks plain tables against Struct types and collects every problem instead of stopping at the first."""

from __future__ import annotations

import dataclasses
import os
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.errors import Problem

SECRET_ENDINGS = ("token", "password", "key", "salt", "secret")
SHOWN_CHARACTERS = 60

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where secrets come from: files under `base`, or the environment.

    In demo mode a missing one is no problem (it is written at the first run) and reads as empty.
    """

    base: Path
    demo: bool

    def read(self, reference: Mapping[str, Any]) -> str | None:
        """The secret, stripped; None when the reference is malformed, missing or empty."""
        if set(reference) == {"env"}:
            return os.environ.get(str(reference["env"])) or self._missing()
        if set(reference) == {"file"}:
            path = self.base / str(reference["file"])
            try:
                return path.read_text(encoding="utf-8").strip() or self._missing()
            except (OSError, UnicodeDecodeError):
                return self._missing()
        return None

    def _missing(self) -> str | None:
        return "" if self.demo else None


@dataclass(slots=True)
class Checker:
    """Turns tables into Structs; what is wrong goes to `problems`."""

    source: SecretSource
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: str, value: Any, expected: str) -> None:
        """Note one wrong key."""
        shown = value if isinstance(value, str) and value.startswith("(") else repr(value)
        if len(shown) > SHOWN_CHARACTERS:
            shown = shown[:SHOWN_CHARACTERS] + "…"
        self.problems.append(Problem(path, shown, expected))

    def tables(self, value: Any, kind: type[T], path: str) -> list[T]:
        """Check a list of tables; gives those that are right."""
        if not isinstance(value, list):
            self.add(path, value, "a list of tables")
            return []
        found = [self.table(item, kind, f"{path}[{index}]") for index, item in enumerate(value)]
        return [item for item in found if item is not None]

    def table(self, value: Any, kind: type[T], path: str) -> T | None:
        """Check one table key by key; None when any of its keys is wrong."""
        if not isinstance(value, dict):
            self.add(path, value, "a table")
            return None
        before = len(self.problems)
        hashable: Any = kind
        hints, fields = _hints(hashable), _fields(hashable)
        for key in value:
            if key not in fields:
                self.add(f"{path}.{key}", value[key], "no such key; known: " + ", ".join(fields))
        built: dict[str, Any] = {}
        for name, required in fields.items():
            if name in value:
                built[name] = self._value(value[name], hints[name], f"{path}.{name}", name)
            elif required:
                self.add(f"{path}.{name}", "(missing)", words(hints[name]))
        if len(self.problems) > before:
            return None
        try:
            return kind(**built)
        except (ValueError, TypeError) as error:
            self.add(path, "(table)", str(error))
            return None

    def _value(self, value: Any, kind: Any, path: str, name: str) -> Any:
        inner = without_none(kind)
        if name.endswith(SECRET_ENDINGS) and inner is str:
            return self._secret(value, path)
        if is_table(inner):
            return self.table(value, inner, path)
        arguments = get_args(inner)
        if get_origin(inner) is tuple and is_table(arguments[0]):
            return tuple(self.tables(value, arguments[0], path))
        if get_origin(inner) is dict and is_table(arguments[1]):
            return self._mapping(value, arguments[1], path)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self.add(path, value, f"{words(kind)} ({error})")
            return None

    def _mapping(self, value: Any, kind: type[T], path: str) -> dict[str, T | None]:
        if not isinstance(value, dict):
            self.add(path, value, "a table of tables")
            return {}
        return {key: self.table(item, kind, f"{path}.{key}") for key, item in value.items()}

    def _secret(self, value: Any, path: str) -> str:
        if not isinstance(value, dict):
            self.add(
                path, "(hidden)", 'a reference, never the secret itself: { file = "…" } or { env = "…" }'
            )
            return ""
        secret = self.source.read(value)
        if secret is None:
            self.add(path, value, "a readable, non-empty file or environment variable")
            return ""
        return secret


def is_table(kind: Any) -> bool:
    """Whether a type is written as a table of its own."""
    return isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of a table's keys; cached, because a site has a thousand tables of one type."""
    return get_type_hints(kind, include_extras=True)


@cache
def _fields(kind: Any) -> dict[str, bool]:
    """The keys of a table type and whether each is required."""
    if issubclass(kind, msgspec.Struct):
        return {entry.name: entry.required for entry in msgspec.structs.fields(kind)}
    missing = dataclasses.MISSING
    return {
        entry.name: entry.default is missing and entry.default_factory is missing
        for entry in dataclasses.fields(kind)
    }


def without_none(kind: Any) -> Any:
    """A type without its annotations and without None."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (types.UnionType, Union):
        rest = [argument for argument in get_args(kind) if argument is not type(None)]
        if len(rest) == 1:
            return rest[0]
    return kind


PLAIN_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def words(kind: Any) -> str:
    """A type in words an installer knows."""
    inner = without_none(kind)
    if inner in PLAIN_WORDS:
        return PLAIN_WORDS[inner]
    if get_origin(inner) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(inner))
    if get_origin(inner) is tuple:
        return "a list"
    if get_origin(inner) is dict or is_table(inner):
        return "a table"
    return str(inner).replace("typing.", "")
