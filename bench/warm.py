"""Gateways that start in a moment: a process that has everything imported forks one whenever it is told to.

The forked gateway is a process of its own, with its own start, journal, sockets and end.
Only Python's imports, half a second in which nothing of ours can go wrong, are already behind it.
So hundreds of real `kill -9` fit into a minute, and strike our own start-up instead of the interpreter's.

`python -m bench.warm CONFIG LOG` reads `warm`, `cold` and `kill PID` from its standard input,
and answers each with one line: the process id, or the exit status.
`cold` starts `python -m shouwang gateway`, imports and all.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import shouwang
from bench.site import ROOT, gateway

DIES_WITH_ITS_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
LOADED_LATER = (
    "aiocoap.oscore",
    "aiocoap.resource",
    "httpx",
    "requests.adapters",
    "serial",
    "twilio.http.http_client",
    "twilio.rest.api.v2010.account.call",
    "twilio.rest.api.v2010.account.message",
    "twilio.twiml.voice_response",
    "uvloop",
)
"""What a gateway imports only when it is first needed."""


class Warm:
    """The forking process, seen from outside; at most one gateway of it runs at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _ask(self, words: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the warm process ended at {words!r}")
        return int(answer)

    def start(self, *, cold: bool = False) -> int:
        """Start a gateway, forked or from scratch; gives its process id."""
        return self._ask("cold" if cold else "warm")

    def kill(self, pid: int) -> int:
        """Kill -9 and wait until it is gone; gives its exit status, -9 unless it had ended by itself."""
        return self._ask(f"kill {pid}")


@contextmanager
def warm(config: Path, log: Path, *, env: Mapping[str, str] | None = None) -> Iterator[Warm]:
    """Have a warm process for this configuration; what gateways print goes to `log`."""
    process = subprocess.Popen(
        (sys.executable, "-m", "bench.warm", str(config), str(log)),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | dict(env or {}),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the warm process did not start")
        yield Warm(process)
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


# --------------------------------------------------------------------------- inside the warm process


def _load(config: Path) -> None:
    """Import all that a gateway with this configuration imports, without opening anything."""
    importlib.import_module("gateway.app")
    config_module = importlib.import_module("gateway.config")
    config_module.load(config)
    for name in LOADED_LATER:
        importlib.import_module(name)
    plugins = importlib.import_module("gateway.plugins")
    for kind in ("transport", "rule", "carrier", "codec"):
        for name in plugins.names(kind):
            plugins.get(kind, name)
    gc.collect()
    gc.freeze()


def _become_gateway(config: Path, log: Path, *, cold: bool) -> None:
    """Be a gateway until killed, and never outlive the process that forked us."""
    ctypes.CDLL(None).prctl(DIES_WITH_ITS_PARENT, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if cold:
        os.execv(sys.executable, gateway(config))  # noqa: S606  our own program, no shell needed
    status = 1
    try:
        status = shouwang.main(["gateway", "--config", str(config)])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve(config: Path, log: Path) -> None:
    """Do as told until the standard input ends; then end the gateway too."""
    _load(config)
    print("ready", flush=True)
    running: set[int] = set()
    while order := sys.stdin.readline().split():
        if order[0] == "kill":
            pid = int(order[1])
            running.remove(pid)
            print(_end(pid), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _become_gateway(config, log, cold=order[0] == "cold")
        running.add(pid)
        print(pid, flush=True)
    for pid in running:
        _end(pid)


def _end(pid: int) -> int:
    """Kill our own child and reap it."""
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
