"""Where a browser finds the live stream, seen from the page it asked for."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import current_app, request

from portal.settings import PortalSettings

PATH = "/care/stream"
HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?")
"""A host as a browser says it, with or without its port; anything else is not repeated to anybody."""


def stream_address() -> str:
    """The stream's address for this request's browser; empty where there is no stream and pages only ask.

    `stream_url` where it is set; `/care/stream` under https, where a reverse proxy stands before both;
    else `stream_port` of the host the browser asked: its cookies are sent there too.
    """
    settings: PortalSettings = current_app.config["PORTAL"]
    if not settings.stream_port:
        return ""
    if settings.stream_url:
        return settings.stream_url
    if settings.public_url.startswith("https://"):
        return PATH
    host = HOST.fullmatch(request.host)
    return f"{request.scheme}://{host[1] if host else settings.host}:{settings.stream_port}{PATH}"


def stream_origin() -> str:
    """The stream's origin where it is not the page's own, for `connect-src`; empty where it is."""
    parts = urlsplit(stream_address())
    if not parts.netloc or parts.netloc == request.host:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
