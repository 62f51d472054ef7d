"""A PostgreSQL of the bench's own: a fresh cluster in a temporary folder, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.site import free_port

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
ACCOUNTS = ("postgres", "nobody")
"""The server refuses to run as root; one of these exists on every Debian."""


@contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of an empty database; syncs to disk as it would at a site."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="bench-pg-", dir="/tmp"))  # its socket's path must be short
    data = folder / "data"
    data.mkdir(mode=0o700)
    folder.chmod(0o755)
    run_as: dict[str, int] = {}
    if os.getuid() == 0:
        account = next(found for found in pwd.getpwall() if found.pw_name in ACCOUNTS)
        run_as = {"user": account.pw_uid, "group": account.pw_gid}
        for path in (folder, data):
            os.chown(path, account.pw_uid, account.pw_gid)
    initdb = [PROGRAMS / "initdb", "-D", data, "-U", "portal", "-A", "trust", "-E", "UTF8"]
    initdb += ["--locale=C.UTF-8"]
    subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd=folder, **run_as)
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    with (folder / "log").open("wb") as log:
        command = [PROGRAMS / "postgres", "-D", data, *options]
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **run_as)
    try:
        url = f"postgresql://portal@127.0.0.1:{port}/postgres"
        _wait(url)
        yield url.replace("postgresql:", "postgresql+psycopg:")
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown: whoever is connected is not waited for
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            psycopg.connect(url, connect_timeout=1).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)
