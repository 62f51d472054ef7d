"""`shouwang device`: the bands of this gateway, added, changed and taken away while it runs.

Everything wrong is said in words, exits 2, and changes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.desk.configured import CONFIG_WRONG, checked_settings

EXTENSIONS: tuple[str, ...] = ("mosquitto", "send")
"""Rooms of `gateway/desk` with a sub-command of `device` each: `add_to(asks)`, and their own `run`."""
FOLLOWERS: tuple[str, ...] = ("mosquitto",)
"""Rooms with `follow(settings) -> str`, called after each change: what was done, or nothing."""
UNFOLLOWED = 1


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "the bands of this gateway: add, list, show, revoke, rotate, rename, move, claim, import, qr"
    parser = commands.add_parser("device", help=words, description=words)
    asks = parser.add_subparsers(title="what", required=True, metavar="WHAT")

    def add(name: str, words: str, *, band: bool = False) -> argparse.ArgumentParser:
        ask: argparse.ArgumentParser = asks.add_parser(name, help=words, description=words)
        ask.set_defaults(run=run, what=name)
        ask.add_argument("--config", type=Path, default=Path("config.toml"))
        if band:
            ask.add_argument("device", help="its identity, or its id on its wire")
        return ask

    ask = add("add", "add a band and show its key, once, with what to type into it")
    _about(ask, needed=True)
    ask = add("list", "every band, revoked ones too")
    ask.add_argument("--json", action="store_true", dest="as_json")
    add("show", "one band, what to type into it, and what was done to it", band=True)
    add("revoke", "admit a band no more, from now on: lost, stolen, broken", band=True)
    _qr(add("rotate", "give a band another key", band=True))
    ask = add("rename", "another name, or another id on its wire; its history stays", band=True)
    ask.add_argument("--name", help="what people call it")
    ask.add_argument("--wire-id", help="what it calls itself on its wire from now on")
    add("move", "give a band to another wearer", band=True).add_argument("--wearer", required=True)
    ask = add("claim", "bands nobody knows that were heard; with an id, add that one")
    ask.add_argument("wire_id", nargs="?", metavar="ID")
    _about(ask, needed=False)
    ask = add("import", "add the bands of a CSV file, all or none")
    ask.add_argument("file", type=Path)
    ask.add_argument("--dry-run", action="store_true")
    ask.add_argument("--keys-out", type=Path, help="where the keys go (mode 0600)")
    _qr(add("qr", "the QR code of a band, without its key", band=True), asked=True)
    for room in EXTENSIONS:
        importlib.import_module(f"gateway.desk.{room}").add_to(asks)


def _about(ask: argparse.ArgumentParser, *, needed: bool) -> None:
    ask.add_argument("--wearer", required=needed, help="whose it is: an id of [[wearers]]")
    if needed:
        ask.add_argument("--protocol", required=True)
        ask.add_argument("--id", required=True, dest="wire_id", help="what it calls itself on its wire")
    ask.add_argument("--model", default="", help="a file of site.models_dir")
    ask.add_argument("--serial", default="", help="the number printed on it, where its protocol tells it")
    ask.add_argument("--name", default="", help="what people call it")
    ask.add_argument("--device", default="", help="its identity, which never changes (else its first id)")
    ask.add_argument(
        "--key", action="store_true", dest="key_asked", help="make a key although its wire has no login"
    )
    _qr(ask)


def _qr(ask: argparse.ArgumentParser, *, asked: bool = False) -> None:
    if not asked:
        ask.add_argument("--qr", action="store_true", help="show it as a QR code too")
    ask.add_argument("--png", type=Path, help="write the QR code as a picture")
    ask.add_argument("--wire", help="which wire the QR code is for: mqtt, coap, tcp (else the first)")


def run(options: argparse.Namespace) -> int:
    """`shouwang device …`: 0 done, 1 done but somebody must look, 2 refused and nothing done."""
    from gateway.errors import ShouwangError

    here = Path.cwd()
    for name in ("file", "keys_out", "png"):
        if getattr(options, name, None) is not None:
            setattr(options, name, here / getattr(options, name))
    settings = checked_settings(options.config, make_demo_secrets=True)  # a band's key must be there
    try:
        return RUNS[options.what](settings, options)
    except (ShouwangError, OSError) as error:
        print(error, file=sys.stderr)
        return CONFIG_WRONG


# --------------------------------------------------------------------------- one function a command


def _add(settings: Any, options: argparse.Namespace) -> int:
    from gateway.bands.keys import new_key
    from gateway.desk.device_book import Asked, Refused, changing
    from gateway.desk.device_sheet import logs_in
    from gateway.plugins import names

    if options.protocol not in names("codec"):
        raise Refused(f"protocol {options.protocol!r}: expected one of " + ", ".join(names("codec")))
    _qr_wire(settings, options, options.protocol)
    key = new_key() if options.key_asked or logs_in(settings, options.protocol) else ""
    fields = ("wearer", "protocol", "wire_id", "model", "serial", "name", "device")
    asked = Asked(**{name: getattr(options, name) for name in fields})
    with changing(settings) as page:
        row = page.add(asked, key)
    print(f"{row.device}: added, of {row.wearer} ({row.protocol})")
    return _handed_over(settings, options, row, key)


def _rotate(settings: Any, options: argparse.Namespace) -> int:
    from gateway.bands.keys import new_key
    from gateway.desk.device_book import Refused, changing
    from gateway.desk.device_sheet import logs_in

    key = new_key()
    with changing(settings) as page:
        row = page.find_active(options.device)
        if not row.keys.verifier and not logs_in(settings, row.protocol):
            raise Refused(f"{row.device} has no key: {row.protocol} has no login on its wire")
        _qr_wire(settings, options, row.protocol)
        row = page.rotate(options.device, key)
    print(f"{row.device}: another key; the old one is of no use any more")
    return _handed_over(settings, options, row, key)


def _handed_over(settings: Any, options: argparse.Namespace, row: Any, key: str) -> int:
    """What the installer needs, the one time the key is shown."""
    from gateway.desk.device_sheet import issued, sheet, wires

    ways = wires(settings, row.protocol)
    typed = "" if issued(row.protocol, ways) else key
    print(sheet(row, ways, community=settings.site.community, key=typed))
    _show_qr(settings, options, row, typed)
    return _followed(settings)


def _list(settings: Any, options: argparse.Namespace) -> int:
    from gateway.desk.device_book import reading
    from gateway.desk.device_words import as_json, as_table

    page = reading(settings)
    rows = [page.rows[name] for name in sorted(page.rows)]
    print(as_json(rows, page.stored) if options.as_json else as_table(rows, page.stored))
    return 0


def _show(settings: Any, options: argparse.Namespace) -> int:
    from gateway.desk.device_book import history, reading
    from gateway.desk.device_sheet import sheet, wires
    from gateway.desk.device_words import described

    page = reading(settings)
    row = page.find(options.device)
    print(described(row, history(settings, row.device), stored=row.device in page.stored))
    if row.state == "active":
        print(sheet(row, wires(settings, row.protocol), community=settings.site.community))
    return 0


def _revoke(settings: Any, options: argparse.Namespace) -> int:
    return _changed(settings, lambda page: page.revoke(options.device), "revoked: it is not heard any more")


def _rename(settings: Any, options: argparse.Namespace) -> int:
    return _changed(
        settings,
        lambda page: page.rename(options.device, called=options.name, wire_id=options.wire_id),
        "renamed; its identity and history stay",
    )


def _move(settings: Any, options: argparse.Namespace) -> int:
    return _changed(
        settings, lambda page: page.move(options.device, options.wearer), f"belongs to {options.wearer} now"
    )


def _changed(settings: Any, change: Callable[[Any], Any], words: str) -> int:
    from gateway.desk.device_book import changing

    with changing(settings) as page:
        row = change(page)
    print(f"{row.device}: {words}")
    return _followed(settings)


def _claim(settings: Any, options: argparse.Namespace) -> int:
    from gateway.desk.device_book import Refused, reading
    from gateway.desk.device_words import as_claims
    from gateway.journal.reader import JournalReader
    from gateway.paths import journal_path

    journal = JournalReader(journal_path(settings))
    known = {row.wire_id for row in reading(settings).active()}
    claims = [row for row in journal.claims() if row["device"] not in known]
    journal.close()
    if options.wire_id is None:
        print(as_claims(claims))
        return 0
    spoken = [row["protocol"] for row in claims if row["device"] == options.wire_id]
    if not spoken:
        raise Refused(f"no unknown band {options.wire_id!r} was heard; `shouwang device claim` lists them")
    if options.wearer is None:
        raise Refused("whose is it? say --wearer")
    options.protocol = spoken[0]
    return _add(settings, options)


def _import(settings: Any, options: argparse.Namespace) -> int:
    from gateway.desk.device_import import bring_in

    count = bring_in(settings, options.file, keys_out=options.keys_out, dry_run=options.dry_run)
    if options.dry_run:
        print(f"{count} bands can be imported; nothing was")
        return 0
    print(f"{count} bands imported" + (f"; their keys are in {options.keys_out}" if options.keys_out else ""))
    return _followed(settings)


def _qr_code(settings: Any, options: argparse.Namespace) -> int:
    from gateway.desk.device_book import reading

    options.qr = True
    row = reading(settings).find_active(options.device)
    _qr_wire(settings, options, row.protocol)
    _show_qr(settings, options, row, "")
    return 0


def _qr_wire(settings: Any, options: argparse.Namespace, protocol: str) -> Any:
    """The wire the QR code is for, None when none was asked for; refused before anything is changed."""
    from gateway.desk.device_book import Refused
    from gateway.desk.device_sheet import wires

    if not options.qr and not options.png:
        return None
    if options.png and options.png.exists():
        raise Refused(f"{options.png} exists; a QR code never overwrites a file")
    ways = [one for one in wires(settings, protocol) if options.wire in (None, one.kind)]
    if not ways:
        raise Refused(f"no wire {options.wire or ''} of this configuration carries {protocol}")
    if not ways[0].port:
        raise Refused(f"nothing is typed into a band that is heard on {ways[0].kind}")
    if not ways[0].host:
        raise Refused("a QR code needs the address of this box: set site.address in config.toml")
    return ways[0]


def _show_qr(settings: Any, options: argparse.Namespace, row: Any, key: str) -> None:
    from gateway.desk.device_sheet import qr_content
    from gateway.desk.qr import in_terminal, write_png

    wire = _qr_wire(settings, options, row.protocol)
    if wire is not None:
        content = qr_content(row, wire, community=settings.site.community, key=key)
        if options.png:
            write_png(content, options.png)
            print(f"{options.png} written")
        else:
            print(in_terminal(content))


def _followed(settings: Any) -> int:
    """Have those told who keep files of their own about bands; says when the change holds."""
    from gateway.desk.incidents import answers
    from gateway.errors import NeedsHuman

    status = 0
    for room in FOLLOWERS:
        try:
            words = importlib.import_module(f"gateway.desk.{room}").follow(settings)
        except NeedsHuman as error:
            print(f"the band is changed, but: {error}", file=sys.stderr)
            status = UNFOLLOWED
        else:
            print(words, end="\n" * bool(words))
    running = answers(settings)
    print("holds in the gateway within two seconds" if running else "holds when the gateway starts")
    return status


RUNS: dict[str, Callable[[Any, argparse.Namespace], int]] = {
    "add": _add,
    "list": _list,
    "show": _show,
    "revoke": _revoke,
    "rotate": _rotate,
    "rename": _rename,
    "move": _move,
    "claim": _claim,
    "import": _import,
    "qr": _qr_code,
}
