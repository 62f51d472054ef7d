"""Writes the parts of the docs that are generated from the code; `make docs` runs it, a test compares.

python docs/generate.py
"""

from __future__ import annotations

import dataclasses
import runpy
import sys
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from gateway import config, errors, plugins, profile
from gateway.config_tables import SECRET_ENDINGS, is_table, without_none, words
from gateway.desk.decode import compared
from gateway.errands.bounds import ErrandsTable
from gateway.model import FencePart
from sos.plan import Manner

HERE = Path(__file__).parent
REFERENCE = "a reference: `{ file = … }` or `{ env = … }`"

HEAD = """# Configuration

Generated from the types that check the file (`make docs`); `config.toml` explains each key in both languages.
Units end the names. A key without a default is required.
`shouwang check config.toml` lists every wrong key (path, value, what was expected) and exits 2.
"""

VECTORS_HEAD = """# Captured frames: where we agree with their source

Every row of `tests/vectors/*.jsonl` through our codecs, generated (`make docs`) and compared by a test;
`shouwang decode --vectors tests/vectors/*.jsonl` prints the same.
The source of each file and what its kinds assert: `tests/vectors/README.md`.
Why a row is read otherwise stands in `tests/vectors/differs.toml`; none may differ without a reason.
"""


def fields_of(kind: Any) -> list[tuple[str, Any, bool]]:
    """(name, default, required) of every key of a table type."""
    if issubclass(kind, msgspec.Struct):
        return [(f.name, f.default, f.required) for f in msgspec.structs.fields(kind)]
    missing = dataclasses.MISSING
    return [
        (
            f.name,
            f.default if f.default_factory is missing else f.default_factory(),
            f.default is missing and f.default_factory is missing,
        )
        for f in dataclasses.fields(kind)
    ]


def rows(kind: Any) -> list[str]:
    """The keys of one table type as Markdown table rows."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for name, default, required in fields_of(kind):
        secret = name.endswith(SECRET_ENDINGS) and without_none(hints[name]) is str
        shown = (
            "required"
            if required
            else "none"
            if default in (None, msgspec.NODEFAULT) or is_table(type(default))
            else f"`{default!r}`"
        )
        found.append(f"| `{name}` | {REFERENCE if secret else words(hints[name])} | {shown} |")
    return found


def table(title: str, kind: Any) -> str:
    """One section, and one for every table inside it."""
    first_line = (kind.__doc__ or "").strip().splitlines()[0]
    head = f"## {title}\n\n{first_line}\n\n| key | what | default |\n|---|---|---|\n"
    text = head + "\n".join(rows(kind)) + "\n"
    if title.startswith(("[carriers.", "[transports.")):
        hints = get_type_hints(kind, include_extras=True)
        for name, _, _ in fields_of(kind):
            inner = without_none(hints[name])
            if is_table(inner):
                text += "\n" + table(f"{title.removesuffix(']')}.{name}]", inner)
    return text


def configuration() -> str:
    """docs/configuration.md."""
    parts = [HEAD]
    for title, kind in (
        ("[site]", config.SiteTable),
        ("[journal]", config.JournalTable),
        ("[sos]", config.SosTable),
        ("[sos.plans.KIND]", Manner),
        ("[errands]", ErrandsTable),
        ("[portal_link]", config.PortalLinkTable),
        ("[portal]", config.PortalTable),
        ("[[sos.stations]]", config.StationTable),
        ("[[staff]]", config.StaffTable),
        ("contacts", profile.ContactTable),
        ("[[wearers]]", config.WearerTable),
        ("devices", config.DeviceTable),
        ("fences", profile.FenceTable),
        ("parts", FencePart),
        ("[demo]", config.DemoTable),
    ):
        assert is_table(kind)
        parts.append(table(title, kind))
    for section, plugin_kind in (("transports", "transport"), ("rules", "rule"), ("carriers", "carrier")):
        parts += [
            table(f"[{section}.{name}]", plugins.settings_of(plugin_kind, name))
            for name in plugins.names(plugin_kind)
        ]
    parts.append("## Errors\n\n```text\n" + (errors.__doc__ or "").strip() + "\n```\n")
    return "\n".join(parts)


def vectors() -> str:
    """docs/protocols/vectors.md."""
    parts = [VECTORS_HEAD]
    for path in sorted((HERE.parent / "tests/vectors").glob("*.jsonl")):
        found = compared(path, HERE.parent / "data/models")
        differ = sum(bool(verdict.trouble) for verdict in found)
        lines = [
            f"## {path.name}: {len(found)} rows, {len(found) - differ} agree, {differ} differ\n",
            "| row | codec | asserted | verdict |\n|---|---|---|---|",
        ]
        for verdict in found:
            asserted = f"{verdict.kind} {verdict.expected}".strip().replace("|", "\\|")
            words = f"differs ({verdict.trouble}): {verdict.reason}" if verdict.trouble else "agrees"
            lines.append(f"| {verdict.row} | `{verdict.codec}` | {asserted} | {words} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main() -> int:
    """Write; gives 0."""
    (HERE / "protocols" / "vectors.md").write_text(vectors(), encoding="utf-8")
    (HERE / "configuration.md").write_text(configuration(), encoding="utf-8")
    family = runpy.run_path(str(HERE / "family_page.py"))
    (HERE / "what-the-family-hears.md").write_text(family["page"](), encoding="utf-8")
    drift = runpy.run_path(str(HERE / "drift_page.py"))
    (HERE / "drift.md").write_text(drift["page"](), encoding="utf-8")
    access = runpy.run_path(str(HERE / "access_page.py"))
    (HERE / "access.md").write_text(access["page"](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
