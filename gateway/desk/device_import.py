"""`shouwang device import`: many bands at once, all or none; their keys go into a file, not on the screen."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.bands.keys import Keys, derive, key_id, new_key
from gateway.desk.device_book import Page, Refused, Wrong, changing, reading
from gateway.desk.device_csv import Line, WrongLine, parse
from gateway.desk.device_sheet import SERVER_ID, logs_in

if TYPE_CHECKING:
    from gateway.config import Settings

MOST_BYTES = 4_000_000


class WrongFile(Refused):
    """A file that is refused whole; `wrong` lists every place."""

    def __init__(self, wrong: list[WrongLine]) -> None:
        super().__init__("\n".join(map(str, wrong)) + f"\n{len(wrong)} wrong, nothing was imported")
        self.wrong = wrong


def bring_in(settings: Settings, path: Path, *, keys_out: Path | None, dry_run: bool) -> int:
    """Add every band of a file, gives how many; with `dry_run` only check.

    The keys are on the disk before the bands are: a power cut leaves keys without bands, never the reverse.
    Raises WrongFile, Refused (no `keys_out` for bands with a key, or it exists), OSError, NeedsHuman.
    """
    data = path.read_bytes()
    if len(data) > MOST_BYTES:
        raise Refused(f"{path}: at most {MOST_BYTES} bytes")
    lines, wrong = parse(data)
    if dry_run:
        _check(reading(settings), lines, wrong)
        return len(lines)
    with changing(settings) as page:
        _check(page, lines, wrong)
        logins = {protocol: logs_in(settings, protocol) for protocol in {one.asked.protocol for one in lines}}
        keys = {line.number: new_key() for line in lines if logins[line.asked.protocol]}
        if keys and keys_out is None:
            raise Refused(f"{len(keys)} of these bands get a key: say --keys-out FILE")
        if keys_out is not None:
            _write_keys(keys_out, lines, keys)
        try:
            for line in lines:
                page.put(line.asked.row(derive(keys.get(line.number, ""))), "imported")
        except BaseException:
            if keys_out is not None:
                keys_out.unlink()
            raise
    return len(lines)


def _check(page: Page, lines: list[Line], wrong: list[WrongLine]) -> None:
    """Look at every band beside those there are and those above it; raises WrongFile with all places."""
    known = {row.device for row in page.active()}
    for number, asked in lines:
        row = asked.row(Keys())
        wrong += [WrongLine(number, one) for one in page.wrong(row)]
        if row.device in known:
            wrong.append(WrongLine(number, Wrong("device", row.device, "a band that is not there yet")))
        page.take(row)
    if wrong:
        raise WrongFile(sorted(set(wrong)))


def _write_keys(path: Path, lines: list[Line], keys: dict[int, str]) -> None:
    """One line a band with a key: for its maker's tool, or for typing; mode 0600, flushed to the disk."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(
        ("device", "id", "protocol", "key", "oscore_client_id", "oscore_server_id", "oscore_secret")
    )
    for number, asked in lines:
        if number in keys:
            secret = derive(keys[number]).oscore_secret.hex()
            ids = (key_id(asked.wire_id).hex(), SERVER_ID.hex())
            writer.writerow(
                (asked.device or asked.wire_id, asked.wire_id, asked.protocol, keys[number], *ids, secret)
            )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(f"{path} exists; keys never overwrite a file") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(out.getvalue())
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
