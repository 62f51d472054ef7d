"""Every address of the portal and who may call it, as one table; the row rule of each is named.

`docs/access.md` is this table; a test asks every address as everybody and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import Flask

from portal.policy import NOBODY, Role, Verdict, Viewer, judge
from portal.security import policy_of

READ: Final = frozenset({"GET", "PUT", "POST", "DELETE", "PATCH"})
COLUMNS: Final = (None, *Role)
"""Somebody not signed in, then every role."""
ROW_RULES: Final = {
    ("", "wearer_id"): "wearer",
    ("care", "code"): "wearer",
    ("care_api", "code"): "wearer",
    ("reports", "code"): "wearer",
    ("devices", "device"): "band",
    ("device_orders", "order_id"): "band",
    ("places", "place_id"): "place",
    ("register", "resident_id"): "resident",
    ("intake", "import_id"): "own table",
    ("claims", "claim_id"): "claim",
    ("guardians", "claim_id"): "guardian claim",
    ("guardians", "guardianship_id"): "guardianship",
    ("invitations", "invitation_id"): "invitation",
    ("join", "claim_id"): "own notice",
    ("join", "token"): "token",
    ("share", "token"): "token",
    ("cases", "number"): "case",
    ("posts", "number"): "post",
    ("posts", "name"): "board",
    ("media", "name"): "picture",
}
"""(Blueprint, or empty for any; argument of the address) -> the rule that decides about the row."""
ENDPOINT_RULES: Final = {"signup.number": "token", "signup.code": "token"}
"""Addresses without an argument that still depend on something: an invitation the session remembers."""
RULE_WORDS: Final = {
    "wearer": "`policy.sees_wearer`: watchers of the place, guardians of the wearer, the wearer",
    "band": "`policy.provisions`: the office of the place its wearer lives in",
    "place": "`policy.keeps_place`, `policy.changes_place`: inside the viewer's own place",
    "resident": "`people.register.readable`: the viewer's community, or their part of it",
    "own table": "only who sent the table, for a day",
    "claim": "`people.claims.judged_by`: households inside the viewer's own place",
    "guardian claim": "`care.guardianships.judges`: the viewer's community, never a claim of their own",
    "guardianship": "`care.guardianships.judges_of`, `may_object`: who judges; the wearer and family",
    "invitation": "`people.invitations.visible`: places inside the viewer's own",
    "own notice": "only who already lives in that household",
    "token": "whoever holds a token that counts",
    "case": "`cases.access`: its reporter, staff, or a look-up code",
    "post": "the board's readers and writers (`data/boards`)",
    "board": "the board's readers and writers (`data/boards`)",
    "picture": "whoever may see what it belongs to",
    "other": "the view's own check",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One address and method: its answers to nobody and to each role, and the rule about its rows."""

    endpoint: str
    path: str
    method: str
    verdicts: tuple[Verdict, ...]
    arguments: tuple[str, ...]
    rule: str
    machine: bool


def lines(app: Flask) -> list[Line]:
    """Every address of an application, by path and method; closed ones and files of ours are left out."""
    found = []
    for address in app.url_map.iter_rules():
        policy = policy_of(app, address.endpoint)
        if policy is None or policy.closed or address.endpoint in {"static", "security.static"}:
            continue
        for method in sorted((address.methods or set()) & READ):
            line = Line(
                endpoint=address.endpoint,
                path=address.rule,
                method=method,
                verdicts=tuple(judge(policy, _as(role)) for role in COLUMNS),
                arguments=tuple(sorted(address.arguments)),
                rule=rule_of(address.endpoint, address.arguments),
                machine=policy.machine,
            )
            found.append(line)
    return sorted(found, key=lambda line: (line.path, line.method))


def rule_of(endpoint: str, arguments: set[str]) -> str:
    """The rule about the rows of an address, empty for one without rows."""
    if endpoint in ENDPOINT_RULES:
        return ENDPOINT_RULES[endpoint]
    blueprint = endpoint.partition(".")[0]
    for (feature, argument), rule in ROW_RULES.items():
        if argument in arguments and feature in {"", blueprint}:
            return rule
    return "other" if arguments or blueprint == "security" else ""


def _as(role: Role | None) -> Viewer:
    return NOBODY if role is None else Viewer(user=1, roles=frozenset({role}))
