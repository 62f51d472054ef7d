"""What the fuzzer and the benches read bytes with: every codec found, under several settings, and MQTT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from bench.mutate import MQTT
from gateway import plugins
from gateway.bands.models import load_models
from gateway.codecs import mqtt
from gateway.codecs.base import Known
from gateway.config_tables import Checker, SecretSource

NOW = datetime(2026, 8, 5, 12, 0, tzinfo=UTC)
MODELS = Path(__file__).parents[1] / "data/models"


class MqttReader:
    """The MQTT decoder in the shape of a codec; its first error is its last word, as the standard wants."""

    def __init__(self) -> None:
        self._decoder = mqtt.Decoder()

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        self._decoder.feed(data)

    def next_event(self) -> Any:
        """Give a packet."""
        return self._decoder.next_packet()

    def end_of_message(self) -> None:
        """A connection may end anywhere."""


@dataclass(frozen=True)
class Subject:
    """A codec under `choices` settings: its own, the opposite of every switch, and those of each model.

    Choice 0 are its own, with every band believed.
    """

    name: str
    choices: int
    make: Callable[[int], Any]


@cache
def subjects() -> dict[str, Subject]:
    """Every codec of the house by name, and `mqtt`."""
    checker = Checker(SecretSource(base=MODELS, demo=False))
    models = load_models(MODELS, checker) if MODELS.is_dir() else {}
    found = {MQTT: Subject(MQTT, 1, lambda _: MqttReader())}
    for name, kind in plugins.load("codec").items():
        own = kind.Settings()
        switches = {
            key: not value for key, value in msgspec.structs.asdict(own).items() if isinstance(value, bool)
        }
        several = [own, msgspec.structs.replace(own, **switches)] if switches else [own]
        several += [settings for profile, settings in models.values() if profile.protocol == name]
        found[name] = _subject(name, kind, several)
    return found


def _subject(name: str, kind: Any, several: list[Any]) -> Subject:
    """Each settings twice: every band is believed, and only those of an allow-list are."""

    def make(choice: int) -> Any:
        settings = several[choice % len(several)]
        return kind(settings, now=lambda: NOW, bands=_every_other if choice >= len(several) else None)

    return Subject(name, 2 * len(several), make)


def _every_other(wire_id: str) -> Known | None:
    """An allow-list: ids that end in an odd digit are strangers, some of the others have to log in."""
    if wire_id[-1:] in "13579":
        return None
    return Known(login_code="code" if wire_id[-1:] in "048" else "", serial="")
