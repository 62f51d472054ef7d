"""Texts by a provider on the internet that is described wholly by `[carriers.http_text]`.

`sos.http_provider` is what it does; docs/carriers.md has every setting and worked examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sos.events import Channel
from sos.http_provider import HttpProvider, ProviderSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ProviderSettings):
    """`[carriers.http_text]`: as every provider's."""


class HttpText(HttpProvider):
    """Texts by a provider of the configuration; see `sos.carriers.base.Carrier`."""

    name: ClassVar[str] = "http_text"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TEXT})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)


CARRIER = HttpText
