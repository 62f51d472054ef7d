"""A certificate authority of a test, made with openssl as `docs/protocols/mqtt.md` tells an installer."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Authority:
    """One authority: its own certificate, and those it issues, as files in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        constraints = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        openssl(
            *("req", "-x509", *EC, "-days", "30", "-subj", f"/CN={name}", *constraints),
            *("-keyout", self._key, "-out", self.ca),
        )

    def issue(
        self, name: str, *, san: str = "DNS:localhost,IP:127.0.0.1", file: str = "", days: int = 30
    ) -> tuple[Path, Path]:
        """A certificate for this common name and its key; `days` below zero make one that has expired."""
        stem = file or name
        certificate, key = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        request, extensions = self.folder / f"{stem}.csr", self.folder / f"{stem}.ext"
        extensions.write_text(f"subjectAltName={san}\n")
        openssl("req", "-new", *EC, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", str(days), "-extfile", extensions, "-out", certificate),
        )
        return certificate, key

    def trust(self, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """A client that trusts this authority, with a certificate of its own or without."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if pair is not None:
            context.load_cert_chain(*pair)
        return context
