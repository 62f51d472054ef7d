"""What the portal is told at start: the table `[portal]` of config.toml and what belongs beside it."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

PAGE_THREADS: Final = 24
"""Requests a process answers at once, beside gateways that wait."""
MAX_POLLS: Final = 16
"""Gateways that may wait at once; one more is answered at once, empty or not."""


class PortalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The portal's settings, already resolved: secrets are the secrets themselves, not references.

    `mode`, `community`, `community_name` and `map_dir` come from the top of the file and `[site]`;
    `gateways` maps the name of each gateway that may report here to the token it presents;
    everything else is the table `[portal]` key by key.
    `community_rules` are the tables of `[rules]` by rule and key: what holds for a wearer without their own;
    `twilio_previous_auth_token` is accepted in signatures beside the present one while it is being changed.
    `stream_port` is where live pages are held by a process of their own, 0 for none;
    `stream_url` is where browsers find it when that is neither this host's `stream_port` nor, under https,
    `/care/stream` of the portal's own address.
    `telemetry_days` and the other `…_days` are for how long what is over is still kept (`portal.retention`).
    `mode` "demo" permits the demonstration accounts and puts a banner on every page.
    """

    mode: Literal["demo", "live"]
    community: str
    community_name: str
    map_dir: str
    gateways: dict[str, str]
    community_rules: dict[str, dict[str, Any]] = {}
    host: str = "127.0.0.1"
    port: int = 18088
    stream_port: int = 18087
    stream_url: str = ""
    database_url: str = "sqlite:///data/var/portal.db"
    media_url: str = "data/var/media"
    secret_key: str
    password_salt: str
    twilio_auth_token: str = ""
    twilio_previous_auth_token: str = ""
    public_url: str = "http://127.0.0.1:18088"
    telemetry_days: int = 180
    withdrawn_days: int = 30
    search_days: int = 30
    sign_in_days: int = 90
    invitation_days: int = 90
    text_days: int = 30
