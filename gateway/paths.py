"""Where the files of one gateway lie, all in `site.data_dir`, named like the gateway. Pure."""

from __future__ import annotations

from pathlib import Path

from gateway.config import Settings
from gateway.transports.base import Site


def journal_path(settings: Settings) -> Path:
    """Where this gateway's journal lies."""
    return _beside(settings, "journal.db")


def devices_path(settings: Settings) -> Path:
    """Where its store of bands lies."""
    return _beside(settings, "devices.db")


def control_path(settings: Settings) -> Path:
    """Where its door for local commands is."""
    return _beside(settings, "sock")


def state_path(settings: Settings) -> Path:
    """Where it says how it is, for whoever stands before the box."""
    return _beside(settings, "state.json")


def _beside(settings: Settings, ending: str) -> Path:
    return Path(settings.site.data_dir) / f"{settings.site.gateway}.{ending}"


def site_of(settings: Settings) -> Site:
    """Where this gateway stands, as its wires need to know it."""
    table = settings.site
    return Site(gateway=table.gateway, community=table.community, data_dir=Path(table.data_dir))
