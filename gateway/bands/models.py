"""Band models: one file a model in `data/models`, `NAME.toml`; nothing here knows what a codec's keys mean.

A model says which protocol the band speaks and how it bends it: its clock, its sentinels, its private fields.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway import plugins
from gateway.config_tables import Checker, SecretSource
from gateway.errors import ConfigError


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model as its file describes it.

    `seen`: where what stands here is known from; `codec`: the table of the protocol's own settings.
    """

    name: str
    protocol: str
    maker: str = ""
    seen: str = ""
    codec: dict[str, Any] = {}


def load_models(folder: Path, checker: Checker) -> dict[str, tuple[Profile, Any]]:
    """Every model of a folder by its file's name, with its codec's settings; empty where there is no folder.

    What is wrong in a file is noted in `checker` with the file's path before the key.
    """
    found: dict[str, tuple[Profile, Any]] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            checker.add(str(path), "(unreadable)", f"TOML text in UTF-8: {error}")
            continue
        profile = checker.table(document, Profile, f"{path}:")
        if profile is None:
            continue
        if profile.protocol not in plugins.names("codec"):
            checker.add(f"{path}: protocol", profile.protocol, "one of " + ", ".join(plugins.names("codec")))
            continue
        kind = plugins.settings_of("codec", profile.protocol)
        settings = checker.table(profile.codec, kind, f"{path}: codec")
        if settings is not None:
            found[path.stem] = (profile, settings)
    return found


def model_settings(folder: Path, name: str) -> Any:
    """The codec's settings of one model, for commands that need no configuration.

    Raises ConfigError when its file is wrong, KeyError when there is none.
    """
    checker = Checker(SecretSource(base=folder, demo=False))
    models: Mapping[str, tuple[Profile, Any]] = load_models(folder, checker)
    if checker.problems:
        raise ConfigError(tuple(checker.problems))
    return models[name][1]
