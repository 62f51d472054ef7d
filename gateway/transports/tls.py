"""TLS for a listener: its settings, a context that follows renewed files, and the names of a certificate.

TLS 1.2 and 1.3 (RFC 5246, RFC 8446), no renegotiation.
The files are looked at before each handshake, so that a renewed certificate needs no restart;
files that do not fit together leave the last good context in use, and say so once.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from gateway.errors import NeedsHuman

log = logging.getLogger(__name__)

DEVICE_URN: Final = "urn:dev:sw:"
"""How a device is named in a certificate's SAN URI (RFC 9039 device URNs, organisation-less)."""


class ServerTls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `tls` of a listener; `client_ca` is who signs the certificates of the bands."""

    certificate: str
    key_file: str
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8883
    client_ca: str = ""
    require_client_certificate: bool = False
    certificate_is_login: bool = False
    """A band with a certificate of its own needs no password beside it."""
    max_handshakes: Annotated[int, Meta(ge=1)] = 1_000
    """Handshakes going on at once; one more takes the place of the oldest."""
    handshake_timeout_s: Annotated[float, Meta(gt=0)] = 10.0

    def __post_init__(self) -> None:
        """Raise ValueError for a wish that needs another key."""
        if (self.require_client_certificate or self.certificate_is_login) and not self.client_ca:
            raise ValueError("client_ca, the authority that signs the bands' certificates")


class Certificates:
    """The listener's own certificate and the authority it asks of bands, as the files are now."""

    def __init__(self, settings: ServerTls) -> None:
        self._settings = settings
        self._paths = tuple(
            Path(name) for name in (settings.certificate, settings.key_file, settings.client_ca) if name
        )
        self._seen = self._stamps()
        try:
            self._context = server_context(settings)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(map(str, self._paths))
            raise NeedsHuman(f"the files of a table tls cannot be used ({files}): {error}") from error

    def current(self) -> ssl.SSLContext:
        """The context for a handshake that begins now."""
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._context = server_context(self._settings)
            except (OSError, ssl.SSLError) as error:
                log.error("the renewed TLS files cannot be used, the old ones stay: %s", error)  # noqa: TRY400 -- one line is enough
            else:
                log.info("TLS files renewed: %s", self._settings.certificate)
        return self._context

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def server_context(settings: ServerTls) -> ssl.SSLContext:
    """A context of these files. Raises OSError or ssl.SSLError when they cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(settings.certificate, settings.key_file, password=no_password)
    if settings.client_ca:
        context.load_verify_locations(settings.client_ca)
        required = settings.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def no_password() -> str:
    """OpenSSL would otherwise ask at the terminal for the password of a locked key file."""
    raise ssl.SSLError("the key file is locked with a password")


def device_names(certificate: Mapping[str, Any]) -> frozenset[str]:
    """The devices a verified certificate (`SSLObject.getpeercert`) speaks for: its SAN URIs of ours.

    Only where it has none is it the common name (RFC 6125, 6.4.4): that of a certificate with URIs may be a
    serial number, and another band's id.
    """
    named = {
        value.removeprefix(DEVICE_URN)
        for kind, value in certificate.get("subjectAltName", ())
        if kind == "URI" and value.startswith(DEVICE_URN)
    }
    common = {value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"}
    return frozenset(named or common)
