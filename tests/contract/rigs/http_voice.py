"""Calls by a provider that is described by configuration."""

from __future__ import annotations

from rigs.http_provider import ProviderRig, voice

from sos.carriers import http_voice


class VoiceRig(ProviderRig):
    """Calls of the fake provider."""

    def made(self, url: str):
        return http_voice.CARRIER(http_voice.Settings(**voice(url)))


RIG = VoiceRig
