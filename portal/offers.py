"""What a community offers, as data: boards and services read from TOML, one file a thing.

A bad file is named with the key that is wrong and what was expected; nothing is half-loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

import msgspec

DATA: Final = Path(__file__).parents[1] / "data"
Kind = TypeVar("Kind", bound=msgspec.Struct)


class BadOffer(Exception):
    """A data file is not what it must be; a person has to edit it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path.name}: {problem}")
        self.path = path
        self.problem = problem


def load(folder: Path, kind: type[Kind]) -> dict[str, Kind]:
    """Give every `*.toml` of a folder by its short name (the file's stem).

    Raises `BadOffer` for the first file that is not as it must be, `OSError` when one can't be read.
    """
    found: dict[str, Kind] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            found[path.stem] = msgspec.toml.decode(path.read_bytes(), type=kind)
        except msgspec.DecodeError as error:
            raise BadOffer(path, str(error)) from error
    return found
