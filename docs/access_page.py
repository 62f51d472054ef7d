"""docs/access.md, generated from the portal's addresses and their policies."""

# ruff: noqa: INP001 - a program of the docs, in no package
from __future__ import annotations

from portal import create_app
from portal.access import COLUMNS, RULE_WORDS, lines
from portal.policy import Verdict
from portal.settings import PortalSettings

HEAD = """# Who may call what

Every address of the portal, generated from the declared policies (`make docs`).
A test asks every one of them as everybody and compares.

`yes`: allowed; where a rule is named, for the rows it lets this viewer see.
All other rows are "not found".
`in`: asked to sign in.
`–`: told "not found", as if the address did not exist.
`machine`: no person; the view checks a token or a signature.

The rules about rows:

"""
SHORT = {Verdict.ALLOWED: "yes", Verdict.SIGN_IN: "in", Verdict.NOT_FOUND: "–"}


def page() -> str:
    """The page as Markdown."""
    settings = PortalSettings(
        mode="demo",
        community="docs",
        community_name="docs",
        map_dir="data/seed",
        gateways={},
        database_url="sqlite://",
        secret_key="for-this-page-only-0123456789abcdef",  # noqa: S106  # signs nothing
        password_salt="for-this-page-only",  # noqa: S106  # salts nothing
    )
    found = lines(create_app(settings))
    used = {line.rule for line in found if line.rule}
    rules = "".join(f"- {name}: {words}.\n" for name, words in RULE_WORDS.items() if name in used)
    names = ["nobody" if role is None else role.value.replace("_", " ") for role in COLUMNS]
    rows = ["| address | | " + " | ".join(names) + " | rows |", "|---|---|" + "---|" * len(names) + "---|"]
    for line in found:
        cells = ["machine"] * len(names) if line.machine else [SHORT[verdict] for verdict in line.verdicts]
        path = line.path.replace("|", "\\|")
        rows.append(f"| `{path}` | {line.method} | " + " | ".join(cells) + f" | {line.rule} |")
    return HEAD + rules + "\n" + "\n".join(rows) + "\n"
