"""`config.toml` -> frozen settings; reports every wrong key at once: path, value, what was expected.

A plug-in's table is checked against the plug-in's own `Settings`; nothing here knows its keys.
A key whose name ends in token, password, key, salt or secret is a secret:
it never stands in the file, only a reference `{ file = "path" }` or `{ env = "NAME" }`.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from gateway import plugins
from gateway.bands.models import Profile as ModelProfile
from gateway.bands.models import load_models
from gateway.config_checks import check_schedules, cross_check
from gateway.config_tables import Checker, SecretSource
from gateway.config_wearers import CommunityRules, community_rules, rules_of
from gateway.errands.bounds import ErrandsTable
from gateway.errors import ConfigError, Problem
from gateway.fence_files import with_drawn
from gateway.holidays import load_holidays
from gateway.profile import ContactTable, FenceTable, Profile, Table
from sos.plan import Manner


class SiteTable(Table, frozen=True):
    """[site]: where this box stands; `address` is its host name or IP as bands reach it."""

    gateway: str
    community: str
    name: str
    data_dir: str = "data/var"
    map_dir: str = "data/seed"
    models_dir: str = "data/models"
    fences_dir: str = "data/fences"
    holidays_file: str = "data/holidays.toml"
    address: str = ""


class JournalTable(Table, frozen=True):
    """[journal]: how much is kept, and how long a reading may wait for its write."""

    max_size_mb: int = 2048
    group_commit_ms: int = 5
    max_event_age_s: int = 600


class DeviceTable(Table, frozen=True):
    """One band: its wire id, the codec it speaks, its key where the wire has a login, its model.

    `serial` is the number printed on it, where its protocol tells it (JT/T 808: the terminal id).
    """

    id: str
    protocol: str
    key: str = ""
    model: str = ""
    serial: str = ""
    name: str = ""


class StaffTable(ContactTable, frozen=True):
    """[[staff]]: a duty person; `shifts` such as "mon-fri 08:00-20:00", none means always."""

    shifts: tuple[str, ...] = ()


class StationTable(Table, frozen=True):
    """[[sos.stations]]: who receives a BeiDou short message when no telephone can be reached."""

    id: str
    name: str
    card: str


class WearerTable(Profile, frozen=True, kw_only=True):
    """[[wearers]]: a person with bands; `rules` overrides the community's rule settings key by key."""

    id: str
    devices: tuple[DeviceTable, ...]


class SosTable(Table, frozen=True):
    """[sos]: carriers in order of preference, and the plans by alarm kind."""

    carriers: tuple[str, ...] = ()
    max_commit_wait_ms: int = 500
    settle_s: float = 16.0
    warn_legs_a_day: int = 300
    stations: tuple[StationTable, ...] = ()
    plans: dict[str, Manner] = msgspec.field(default_factory=dict)


class PortalLinkTable(Table, frozen=True):
    """[portal_link]: where the portal is and how we prove who we are.

    `public_url` is its address as families reach it, where that is another one: it stands in the texts.
    """

    url: str
    token: str
    public_url: str = ""
    poll_s: int = 25
    batch_events: int = 500


Days = Annotated[int, msgspec.Meta(ge=1, le=3_650)]
"""For how long something is kept: never not at all."""


class PortalTable(Table, frozen=True):
    """[portal]: when this box also serves the portal."""

    secret_key: str
    password_salt: str
    gateway_token: str
    host: str = "127.0.0.1"
    port: int = 18088
    stream_port: int = 18087
    stream_url: str = ""
    database_url: str = "sqlite:///data/var/portal.db"
    media_url: str = "data/var/media"
    twilio_auth_token: str = ""
    twilio_previous_auth_token: str = ""
    public_url: str = "http://127.0.0.1:18088"
    telemetry_days: Days = 180
    withdrawn_days: Days = 30
    search_days: Days = 30
    sign_in_days: Days = 90
    invitation_days: Days = 90
    text_days: Days = 30


class DemoTable(Table, frozen=True):
    """[demo]: what is simulated while mode = "demo"."""

    scenario: str = "evening"
    coap_bands: tuple[str, ...] = ()
    phones_port: int = 0
    seed: int = 7
    speed: float = 1.0


DEFAULT_PLANS = {
    "sos": Manner(),
    "fall": Manner(),
    "fence": Manner(calls_after_s=60),
    "vitals": Manner(calls_after_s=120, position_text_interval_s=0),
    "silence": Manner(calls_after_s=300, rounds=1, position_text_interval_s=0),
    "inactivity": Manner(calls_after_s=180, position_text_interval_s=0),
}
"""Alarms of another kind are shown on the portal and ring nobody, unless a plan is written for them."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file, checked; plug-in tables are instances of the plug-in's own Settings.

    `wearer_rules` maps (wearer, rule) to the rule's settings after the wearer's overrides;
    `community_rules` is what they override.
    `models` maps a model of `site.models_dir` to its profile and its codec's settings.
    `portal` and `demo` are None when their tables are absent.
    """

    mode: Literal["live", "demo"]
    site: SiteTable
    journal: JournalTable
    sos: SosTable
    transports: dict[str, Any]
    rules: dict[str, Any]
    carriers: dict[str, Any]
    wearers: tuple[WearerTable, ...]
    staff: tuple[StaffTable, ...]
    wearer_rules: dict[tuple[str, str], Any]
    models: dict[str, tuple[ModelProfile, Any]]
    community_rules: CommunityRules
    errands: ErrandsTable = ErrandsTable()
    portal_link: PortalLinkTable | None = None
    portal: PortalTable | None = None
    demo: DemoTable | None = None


TOP_KEYS = frozenset(
    {
        "mode",
        "site",
        "journal",
        "transports",
        "rules",
        "sos",
        "carriers",
        "portal_link",
        "portal",
        "staff",
        "wearers",
        "demo",
        "errands",
    }
)


def load(path: Path, *, make_demo_secrets: bool = False) -> Settings:
    """Read and check a configuration file.

    `make_demo_secrets` writes missing secret files with random contents, in demo mode only.
    Relative paths of secrets are relative to the file's folder.
    Raises ConfigError listing every wrong key; FileNotFoundError when there is no such file.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (
        ValueError,
        RecursionError,
    ) as error:  # no TOML, no UTF-8, a number of a thousand digits, too deep
        raise ConfigError((Problem(str(path), "(unreadable)", f"TOML text in UTF-8: {error}"),)) from error
    demo = document.get("mode") == "demo"
    if demo and make_demo_secrets:
        write_demo_secrets(document, path.parent)
    checker = Checker(SecretSource(base=path.parent, demo=demo))
    settings = _settings(document, checker, path.parent)
    if settings is None or checker.problems:
        raise ConfigError(tuple(checker.problems))
    return settings


def _settings(document: dict[str, Any], checker: Checker, base: Path) -> Settings | None:
    for key in sorted(set(document) - TOP_KEYS):
        checker.add(key, document[key], "no such table; known: " + ", ".join(sorted(TOP_KEYS)))
    mode = document.get("mode", "live")
    if mode not in ("live", "demo"):
        checker.add("mode", mode, '"live" or "demo"')
    if mode == "live" and "demo" in document:
        checker.add("demo", "(table)", 'no [demo] table while mode = "live"')
    site = checker.table(document.get("site", {}), SiteTable, "site")
    journal = checker.table(document.get("journal", {}), JournalTable, "journal")
    sos = checker.table(document.get("sos", {}), SosTable, "sos")
    wearers = checker.tables(document.get("wearers", []), WearerTable, "wearers")
    if site is not None:
        wearers = with_drawn(wearers, base / site.fences_dir, checker, FenceTable)
    staff = checker.tables(document.get("staff", []), StaffTable, "staff")
    errands = checker.table(document.get("errands", {}), ErrandsTable, "errands")
    kinds = {kind: _plugin_tables(document, checker, kind) for kind in ("transport", "rule", "carrier")}
    parts: dict[str, Any] = {}
    for key, kind in (("portal_link", PortalLinkTable), ("portal", PortalTable), ("demo", DemoTable)):
        if key in document:
            parts[key] = checker.table(document[key], kind, key)
    transports = {name: table for name, table in kinds["transport"].items() if table is not None}
    models = {} if site is None else load_models(base / site.models_dir, checker)
    cross_check(
        checker,
        document,
        wearers=wearers,
        staff=staff,
        sos=sos,
        transports=transports,
        models={name: profile for name, (profile, _) in models.items()},
        mode=mode,
    )
    holidays = () if site is None else load_holidays(base / site.holidays_file, checker)
    community = community_rules(document, checker, holidays)
    wearer_rules = _wearer_rules(document, checker, community)
    check_schedules(checker, wearers, wearer_rules)
    if site is None or journal is None or sos is None or errands is None:
        return None
    return Settings(
        mode="demo" if mode == "demo" else "live",
        site=site,
        journal=journal,
        sos=sos,
        transports=kinds["transport"],
        rules=kinds["rule"],
        carriers=kinds["carrier"],
        wearers=tuple(wearers),
        staff=tuple(staff),
        wearer_rules=wearer_rules,
        community_rules=community,
        errands=errands,
        models=models,
        **parts,
    )


def _plugin_tables(document: dict[str, Any], checker: Checker, kind: str) -> dict[str, Any]:
    section = {"transport": "transports", "rule": "rules", "carrier": "carriers"}[kind]
    tables = document.get(section, {})
    if not isinstance(tables, dict):
        checker.add(section, tables, "a table of tables")
        return {}
    known = plugins.names(kind)
    built: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in known:
            checker.add(f"{section}.{name}", "(table)", "one of " + ", ".join(known))
            continue
        built[name] = checker.table(table, plugins.settings_of(kind, name), f"{section}.{name}")
    return built


def _wearer_rules(
    document: dict[str, Any], checker: Checker, community: CommunityRules
) -> dict[tuple[str, str], Any]:
    """Every wearer's settings of every rule."""
    merged: dict[tuple[str, str], Any] = {}
    tables = document.get("wearers", [])
    for index, wearer in enumerate(tables if isinstance(tables, list) else []):
        if isinstance(wearer, dict) and isinstance(wearer.get("id", ""), str):
            own = rules_of(checker, community, wearer.get("rules", {}), f"wearers[{index}].rules")
            merged |= {(wearer.get("id", ""), name): settings for name, settings in own.items()}
    return merged


def write_demo_secrets(document: Any, base: Path) -> None:
    """Write a random secret into every referenced file that is missing (mode 0600)."""
    if isinstance(document, dict):
        if set(document) == {"file"} and isinstance(document["file"], str):
            path = base / document["file"]
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="ascii") as file:
                    file.write(secrets.token_urlsafe(32))
            return
        for value in document.values():
            write_demo_secrets(value, base)
    elif isinstance(document, list):
        for value in document:
            write_demo_secrets(value, base)
