"""Texts by a provider that is described by configuration."""

from __future__ import annotations

from rigs.http_provider import ProviderRig, text

from sos.carriers import http_text


class TextRig(ProviderRig):
    """Texts of the fake provider."""

    def made(self, url: str):
        return http_text.CARRIER(http_text.Settings(**text(url)))


RIG = TextRig
