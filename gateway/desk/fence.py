"""`shouwang fence`: the fences of this gateway's wearers, in and out of map files.

0 is done, 1 done but somebody should look, 2 refused and nothing done.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

from gateway.desk.configured import CONFIG_WRONG, checked_settings
from gateway.errors import ShouwangError
from geofence.datum import Datum
from geofence.findings import Finding, exit_status

EXTENSIONS: tuple[str, ...] = ("fence_backtest", "fence_suspend")
"""Rooms of `gateway/desk` with a sub-command of `fence` each: `add_to(asks)`, and their own `run`."""


class Refused(ShouwangError):
    """What the installer asked for cannot be done; the message says why."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "the fences of the wearers: map files in and out, trials over the past, suspensions"
    parser = commands.add_parser("fence", help=words, description=words)
    asks = parser.add_subparsers(title="what", required=True, metavar="WHAT")

    def add(name: str, words: str) -> argparse.ArgumentParser:
        ask: argparse.ArgumentParser = asks.add_parser(name, help=words, description=words)
        ask.set_defaults(run=run, what=name)
        ask.add_argument("--config", type=Path, default=Path("config.toml"))
        return ask

    _about_file(add("check", "judge every fence of a map file; nothing is changed"))
    ask = add("import", "bring the fences of a map file in for one wearer, all or none")
    _about_file(ask)
    ask.add_argument("--wearer", required=True, help="whose they are: an id of [[wearers]]")
    ask.add_argument(
        "--replace", action="store_true", help="instead of those imported for this wearer before"
    )
    ask.add_argument("--out", type=Path, help="write them as tables for config.toml instead")
    ask = add("export", "write the fences of one wearer as a map file")
    ask.add_argument("--wearer", required=True, help="whose fences: an id of [[wearers]]")
    ask.add_argument("--out", type=Path, required=True, help="a new .geojson, .gpkg, .shp or .kml")
    ask.add_argument("--gbk", action="store_true", help="names in GBK instead of UTF-8 (Shapefile only)")
    for room in EXTENSIONS:
        importlib.import_module(f"gateway.desk.{room}").add_to(asks)


def _about_file(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("file", type=Path, help="a .geojson, .gpkg, .shp or .kml")
    words = "what its degrees are in, when it is known: converted to WGS-84"
    ask.add_argument("--datum", choices=get_args(Datum), default="", help=words)
    words = "the consent to repair crossings and to thin out corners; each change is told"
    ask.add_argument("--repair", action="store_true", help=words)


def run(options: argparse.Namespace) -> int:
    """`shouwang fence check|import|export`."""
    here = Path.cwd()
    for name in ("file", "out"):
        if getattr(options, name, None) is not None:
            setattr(options, name, here / getattr(options, name))
    settings = checked_settings(options.config)
    try:
        return RUNS[options.what](settings, options)
    except (ShouwangError, OSError) as error:
        _complain(error)
        return CONFIG_WRONG


# --------------------------------------------------------------------------- one function a command


def _check(settings: Any, options: argparse.Namespace) -> int:
    judged, findings = _judged(settings, options)
    _tell(findings)
    print(f"{options.file.name}: {len(judged.fences)} good fences; " + _counted(findings))
    return exit_status(findings)


def _import(settings: Any, options: argparse.Namespace) -> int:
    from gateway.fence_files import END, save

    wearer = _wearer(settings, options.wearer)
    judged, findings = _judged(settings, options)
    _tell(findings)
    if exit_status(findings) == CONFIG_WRONG:
        raise Refused(f"{options.file.name}: {_counted(findings)}; nothing was imported")
    _must_be_right(settings, wearer, judged.fences)
    if options.out is not None:
        _write_tables(options.out, judged.fences)
        print(f"{options.out}: {len(judged.fences)} fences, for {wearer.id} in config.toml")
        return exit_status(findings)
    path = Path(settings.site.fences_dir) / f"{wearer.id}{END}"
    if path.name != f"{wearer.id}{END}" or path.parent != Path(settings.site.fences_dir):
        raise Refused(f"wearer {wearer.id!r} cannot be the name of a file: use --out")
    before = _imported(path)
    kept = () if options.replace else before
    others = {fence.id for fence in wearer.fences} - {fence.id for fence in before}
    taken = others | {fence.id for fence in kept}
    if twice := sorted(fence.id for fence in judged.fences if fence.id in taken):
        words = "there already: " + ", ".join(twice)
        raise Refused(f"{words}; give them other ids, or --replace what was imported before")
    save(path, (*kept, *judged.fences))
    words, holds = _used(settings, wearer.id)
    print(f"{path}: {len(judged.fences)} fences imported for {wearer.id}; {words}")
    return exit_status(findings) if holds else max(exit_status(findings), 1)


def _used(settings: Any, wearer: str) -> tuple[str, bool]:
    """Have the running gateway use what was imported; gives in words from when on it holds, and if at all."""
    from gateway.desk.reload import reload
    from gateway.transports.control import OrderRefused

    try:
        told = reload(settings)
    except OrderRefused as error:
        return f"the running gateway cannot use them:\n{error}", False
    except (ConnectionError, TimeoutError):
        return "they hold when the gateway starts", True
    if wearer in told.kept:
        return "they do not hold: the profile that was ordered for this wearer stays over the file", False
    return "they hold now", True


def _export(settings: Any, options: argparse.Namespace) -> int:
    from gateway.desk.in_force import settings_in_force
    from gateway.fence_files import drawn
    from gateway.fences import view_of
    from geofence.files import write

    wearer = _wearer(settings_in_force(settings), options.wearer)
    if not wearer.fences:
        raise Refused(f"{wearer.id} has no fences")
    fences = [drawn(view_of(fence)) for fence in wearer.fences]
    write(options.out, fences, encoding="GBK" if options.gbk else "UTF-8")
    print(f"{options.out}: {len(fences)} fences of {wearer.id}")
    return 0


def _judged(settings: Any, options: argparse.Namespace) -> tuple[Any, tuple[Finding, ...]]:
    from geofence.files import read
    from geofence.judging import judge
    from geofence.site import read_site

    reading = read(options.file)
    try:
        site = read_site(Path(settings.site.map_dir))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{settings.site.map_dir}: the map of the site cannot be read ({error})") from error
    judged = judge(reading.features, site=site, datum=options.datum, repair=options.repair)
    return judged, (*reading.findings, *judged.findings)


def _wearer(settings: Any, wanted: str) -> Any:
    for wearer in settings.wearers:
        if wearer.id == wanted:
            return wearer
    raise Refused(f"no wearer {wanted!r}: " + ", ".join(wearer.id for wearer in settings.wearers))


def _must_be_right(settings: Any, wearer: Any, fences: Iterable[Any]) -> None:
    """Check the fences as the configuration would; raises ConfigError with everything wrong."""
    from msgspec.structs import replace

    from gateway.config_checks import check_fence, check_schedules
    from gateway.errors import ConfigError
    from gateway.fence_files import table_of
    from gateway.profile import FenceTable

    checker = _checker()
    tables = []
    for fence in fences:
        table = checker.table(table_of(fence), FenceTable, f"fences.{fence.id}")
        if table is not None:
            check_fence(checker, f"fences.{fence.id}", table)
            tables.append(table)
    check_schedules(checker, [replace(wearer, fences=tuple(tables))], settings.wearer_rules)
    if checker.problems:
        raise ConfigError(tuple(checker.problems))


def _imported(path: Path) -> tuple[Any, ...]:
    """The fences of the wearer's file as it is now; the configuration was right, so they are."""
    from gateway.fence_files import checked, drawn
    from gateway.fences import view_of
    from gateway.profile import FenceTable

    tables = checked(path, _checker(), FenceTable) if path.exists() else []
    return tuple(drawn(view_of(table)) for table in tables)


def _checker() -> Any:
    from gateway.config_tables import Checker, SecretSource

    return Checker(SecretSource(base=Path(), demo=False))


def _write_tables(path: Path, fences: Iterable[Any]) -> None:
    from gateway.desk.fence_tables import as_toml
    from gateway.fence_files import table_of

    text = "\n".join(as_toml("wearers.fences", table_of(fence)) for fence in fences)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Refused(f"{path} exists already; nothing was written") from error


def _complain(error: Exception) -> None:
    from gateway.desk.device_words import harmless

    for line in str(error).splitlines():
        print(harmless(line), file=sys.stderr)


def _tell(findings: Iterable[Finding]) -> None:
    from gateway.desk.device_words import harmless

    for finding in findings:
        print(harmless(str(finding)), file=sys.stdout if finding.weight == "note" else sys.stderr)


def _counted(findings: Iterable[Finding]) -> str:
    weights = [finding.weight for finding in findings]
    return f"{weights.count('error')} errors, {weights.count('warning')} warnings"


RUNS: dict[str, Callable[[Any, argparse.Namespace], int]] = {
    "check": _check,
    "import": _import,
    "export": _export,
}
