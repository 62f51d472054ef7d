"""Requests and answers of an HTTP service, described in words of a configuration: pure.

A template is text with placeholders such as `{phone}`, escaped for where they stand,
and functions over an inner template: `{base64:{account}:{timestamp}}`.
`{` that begins neither is itself, so that JSON can be written as it is.

| function | gives |
|---|---|
| `base64` | RFC 4648 section 4, of the UTF-8 bytes |
| `url` | percent-encoding that leaves only RFC 3986 section 2.3 unreserved characters |
| `json` | the inside of a JSON string (RFC 8259 section 7), for JSON within a form or a string |
| `md5`, `sha256` | lower-case hexadecimal |
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape as xml_escape

MAX_DEPTH = 8
_OPENING = re.compile(r"\{([a-z][a-z0-9_]*)([:}])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Escape = Callable[[str], str]


def as_is(text: str) -> str:
    """No escaping: what is signed, and what is encoded afterwards as a whole."""
    return text


def for_url(text: str) -> str:
    """Percent-encoded UTF-8 (RFC 3986 section 2.1); a lone surrogate becomes a question mark."""
    return quote(text.encode("utf-8", "replace"), safe="")


def for_json(text: str) -> str:
    """The inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def for_xml(text: str) -> str:
    """Text or a double-quoted attribute of XML 1.0; characters that XML cannot hold are left out."""
    return xml_escape(_NOT_XML.sub("", text), {'"': "&quot;"})


def for_header(text: str) -> str:
    """A header's value (RFC 9110 section 5.5): no control character, so that none can begin a new header."""
    return _CONTROL.sub("", text)


FUNCTIONS: Mapping[str, Escape] = MappingProxyType(
    {
        "base64": lambda text: base64.b64encode(text.encode("utf-8", "replace")).decode(),
        "url": for_url,
        "json": for_json,
        "md5": lambda text: hashlib.md5(
            text.encode("utf-8", "replace"), usedforsecurity=False
        ).hexdigest(),  # the provider's choice
        "sha256": lambda text: hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
    }
)


@dataclass(frozen=True, slots=True)
class _Placeholder:
    name: str


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    inner: Template


@dataclass(frozen=True, slots=True)
class Template:
    """Text with placeholders, taken apart once; `parse` makes one."""

    parts: tuple[str | _Placeholder | _Function, ...]

    @property
    def names(self) -> frozenset[str]:
        """Every placeholder in it, those inside functions too."""
        found: set[str] = set()
        for part in self.parts:
            if isinstance(part, _Placeholder):
                found.add(part.name)
            elif isinstance(part, _Function):
                found |= part.inner.names
        return frozenset(found)

    def fill(self, values: Mapping[str, str], escape: Escape = as_is) -> str:
        """The text with every value in its place, escaped; `values` has every name of `names`."""
        said = []
        for part in self.parts:
            if isinstance(part, str):
                said.append(part)
            elif isinstance(part, _Placeholder):
                said.append(escape(values[part.name]))
            else:
                said.append(escape(FUNCTIONS[part.name](part.inner.fill(values))))
        return "".join(said)


def parse(text: str, *, known: frozenset[str]) -> Template:
    """Take a template apart.

    Raises ValueError for a placeholder that is not `known`, an unknown function, one that is never closed.
    """
    parts, end = _parse(text, 0, known, depth=0)
    if end != len(text):
        raise ValueError(f"one }} too many in {text!r}")
    return Template(parts)


def _parse(
    text: str, start: int, known: frozenset[str], *, depth: int
) -> tuple[tuple[str | _Placeholder | _Function, ...], int]:
    """The parts from `start` on: to the end of the text, or (inside a function) to its own closing brace."""
    parts: list[str | _Placeholder | _Function] = []
    plain, at, braces = "", start, 0
    while at < len(text):
        opening = _OPENING.match(text, at)
        if opening is not None:
            name, mark = opening.groups()
            if plain:
                parts.append(plain)
                plain = ""
            part, at = _opened(text, name, mark, opening.end(), known, depth=depth)
            parts.append(part)
            continue
        if depth and text[at] == "}" and not braces:
            break
        braces += {"{": 1, "}": -1}.get(text[at], 0)
        plain += text[at]
        at += 1
    if plain:
        parts.append(plain)
    return tuple(parts), at


def _opened(
    text: str, name: str, mark: str, at: int, known: frozenset[str], *, depth: int
) -> tuple[_Placeholder | _Function, int]:
    """The placeholder or function whose opening ends at `at`, and where the text goes on."""
    if mark == "}":
        if name not in known:
            raise ValueError(f"{{{name}}} is not known here; known: {', '.join(sorted(known))}")
        return _Placeholder(name), at
    if name not in FUNCTIONS:
        raise ValueError(f"{{{name}:…}} is no function; there are {', '.join(FUNCTIONS)}")
    if depth >= MAX_DEPTH:
        raise ValueError(f"functions stand more than {MAX_DEPTH} deep")
    inner, end = _parse(text, at, known, depth=depth + 1)
    if end >= len(text):
        raise ValueError(f"{{{name}:…}} is never closed")
    return _Function(name, Template(inner)), end + 1


# --------------------------------------------------------------------------- signatures

HASHES: Mapping[str, Callable[[bytes, bytes], bytes]] = MappingProxyType(
    {
        "md5": lambda _key, text: hashlib.md5(text, usedforsecurity=False).digest(),  # the provider's choice
        "sha256": lambda _key, text: hashlib.sha256(text).digest(),
        "hmac-sha1": lambda key, text: hmac.digest(key, text, "sha1"),
        "hmac-sha256": lambda key, text: hmac.digest(key, text, "sha256"),
    }
)
ENCODINGS: Mapping[str, Callable[[bytes], str]] = MappingProxyType(
    {
        "hex": lambda digest: digest.hex(),
        "HEX": lambda digest: digest.hex().upper(),
        "base64": lambda digest: base64.b64encode(digest).decode(),
    }
)


def sign(text: str, *, key: str, hashed: str, encoding: str) -> str:
    """The signature of a text; `key` counts for the two HMACs (RFC 2104) only.

    `hashed` is one of `HASHES`, `encoding` one of `ENCODINGS`.
    """
    digest = HASHES[hashed](key.encode("utf-8", "replace"), text.encode("utf-8", "replace"))
    return ENCODINGS[encoding](digest)


# --------------------------------------------------------------------------- answers


def at_path(answer: Any, path: str) -> Any:
    """What stands at a dotted path such as `data.calls.0.id`; None where nothing does.

    A number picks from a list; an empty path is the whole answer.
    Text in the middle of a path is read as JSON: some services put a document into a string.
    """
    for step in path.split(".") if path else ():
        if isinstance(answer, str):
            try:
                answer = json.loads(answer)
            except (ValueError, RecursionError):
                return None
        if isinstance(answer, dict):
            answer = answer.get(step)
        elif isinstance(answer, list) and step.isascii() and step.isdigit() and int(step) < len(answer):
            answer = answer[int(step)]
        else:
            return None
    return answer


def word(value: Any) -> str:
    """A JSON value as the word a configuration compares: `0`, `true`, `OK`; empty for null and for tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float):
        return str(value)
    return ""


def matches(value: str, patterns: tuple[str, ...]) -> bool:
    """Whether a word is one of these; a pattern that ends in `*` stands for every word that begins so."""
    return any(
        value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern for pattern in patterns
    )
