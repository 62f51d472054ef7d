"""Calls by a provider on the internet that is described wholly by `[carriers.http_voice]`.

`sos.http_provider` is what it does; docs/carriers.md has every setting and worked examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sos.events import Channel
from sos.http_provider import HttpProvider, ProviderSettings
from sos.http_request import EndRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ProviderSettings):
    """`[carriers.http_voice]`: as every provider's, and `hang_up`, the request that ends a call."""

    hang_up: EndRequest | None = None


class HttpVoice(HttpProvider):
    """Calls by a provider of the configuration; see `sos.carriers.base.Carrier`."""

    name: ClassVar[str] = "http_voice"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.CALL})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, end_request=settings.hang_up)


CARRIER = HttpVoice
