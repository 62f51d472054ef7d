"""The front door: one command, its sub-commands import what they need when they need it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from gateway.desk import playback
from gateway.desk.configured import CONFIG_WRONG, checked_settings
from portal import audit_desk, retention_desk

DESKS = ("capture", "decode", "device", "fence", "journal", "profile", "reload", "sos", "vitals")
"""Commands for a person at the box, each a module of `gateway/desk` that adds itself to the parser."""
GC_THRESHOLD = 50_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; gives the exit status (0 done, 1 found something wrong, 2 cannot start)."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shouwang", description="守望: a BeiDou-wristband gateway and a community portal."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(run=run)
        return command

    sim = add("sim", run_sim, "the simulated neighbourhood alone (demo mode), or a capture played back")
    sim.add_argument("--config", type=Path, default=Path("config.toml"))
    playback.add_to(sim.add_subparsers(title="instead", metavar="WHAT"))
    for name, run, words in (
        ("run", run_everything, "gateway, portal and the simulated neighbourhood, until Ctrl-C"),
        ("gateway", run_gateway, "the edge gateway alone"),
        ("portal", run_portal, "the community portal alone"),
    ):
        command = add(name, run, words)
        command.add_argument("--config", type=Path, default=Path("config.toml"))
        if name == "portal":
            rooms = command.add_subparsers(title="instead", metavar="WHAT")
            for desk in (audit_desk, retention_desk):
                desk.add_to(rooms, _portal_of)
    check = add("check", check_config, "check a configuration file and list every wrong key")
    check.add_argument("config", type=Path, nargs="?", default=Path("config.toml"))
    for room in DESKS:
        importlib.import_module(f"gateway.desk.{room}").add_to(commands)
    bench = add(
        "bench",
        run_bench,
        "measure one part (figures are ratios in one run)",
    )
    bench.add_argument("what", choices=("ingest", "sos", "wires", "fence", "rules", "portal", "map", "track"))
    bench.add_argument("--seconds", type=float, default=5.0)
    return parser


# --------------------------------------------------------------------------- configuration


def check_config(options: argparse.Namespace) -> int:
    """`shouwang check`: 0 when right, 1 when a band of the store does not fit it, 2 with every wrong key."""
    from gateway.desk.device_book import left_out
    from gateway.errors import NeedsHuman

    settings = checked_settings(options.config)
    print(
        f"{options.config}: right ({settings.mode} mode, {len(settings.wearers)} wearers,"
        f" {len(settings.transports)} wires, {len(settings.sos.carriers)} carriers)"
    )
    for name, table in settings.transports.items():
        if getattr(table, "aloud", ""):
            print(f"transports.{name}: {table.aloud}")
    try:
        unfit = left_out(settings)
    except NeedsHuman as error:
        unfit = (str(error),)
    for problem in unfit:
        print(f"not heard: {problem}", file=sys.stderr)
    return 1 if unfit else 0


# --------------------------------------------------------------------------- the processes


def _serve(
    work: Callable[[], Coroutine[Any, Any, None]],
    run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
) -> int:
    """Run a coroutine until it ends or SIGTERM or SIGINT ask it to.

    A taken port or another trouble that needs a person is said in one line; gives 1 then.
    """
    from gateway.errors import ShouwangError

    sys.setswitchinterval(0.0005)  # the journal's thread must not starve beside a busy loop

    async def until_told() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(work(), name="main")
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    failed = False
    try:
        run(until_told())
    except* (OSError, ShouwangError) as group:
        failed = True
        for error in leaves(group):
            print(error, file=sys.stderr)
    return 1 if failed else 0


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Every exception of a group, however deep."""
    return [
        leaf
        for one in group.exceptions
        for leaf in (leaves(one) if isinstance(one, BaseExceptionGroup) else [one])
    ]


def _ready(words: str) -> None:
    """Tell whoever started us that we serve now."""
    print(f"ready {words}", flush=True)


def run_gateway(options: argparse.Namespace) -> int:
    """`shouwang gateway`."""
    import uvloop

    from gateway import open_files
    from gateway.app import Gateway
    from gateway.telemetry import start_logging

    config = options.config.resolve()
    settings = checked_settings(config, make_demo_secrets=True)
    start_logging()
    open_files.allow(open_files.wanted(settings.transports.values()))

    gc.freeze()  # what is imported stays; collections need not walk it again
    gc.set_threshold(GC_THRESHOLD, 50, 50)

    async def work() -> None:
        gateway = Gateway(settings, config=config)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reloading.hang_up)
        await gateway.run(
            lambda addresses: _ready(", ".join(f"{name} {address}" for name, address in addresses.items()))
        )

    return _serve(work, run=uvloop.run)


def run_portal(options: argparse.Namespace) -> int:
    """`shouwang portal`."""
    from gateway.telemetry import start_logging
    from portal.serve import serve

    settings = checked_settings(options.config, make_demo_secrets=True)
    if settings.portal is None:
        print("no [portal] table in the configuration", file=sys.stderr)
        return CONFIG_WRONG
    start_logging()
    serve(_portal_settings(settings), _ready)
    return 0


def _portal_of(config: Path) -> Any:
    """The settings of the portal a configuration describes, None where it has none."""
    settings = checked_settings(config, make_demo_secrets=True)
    return None if settings.portal is None else _portal_settings(settings)


def _portal_settings(settings: Any) -> Any:
    import msgspec

    from portal.settings import PortalSettings

    table = msgspec.structs.asdict(settings.portal)
    return PortalSettings(
        mode=settings.mode,
        community=settings.site.community,
        community_name=settings.site.name,
        map_dir=settings.site.map_dir,
        gateways={settings.site.gateway: table.pop("gateway_token")},
        community_rules={
            name: msgspec.to_builtins(one) for name, one in settings.community_rules.settings.items()
        },
        **table,
    )


def run_sim(options: argparse.Namespace) -> int:
    """`shouwang sim`."""
    from firmware_sim.app import build, run
    from firmware_sim.scenario import ScenarioError
    from firmware_sim.site import settings_of
    from gateway.telemetry import start_logging

    settings = checked_settings(options.config, make_demo_secrets=True)
    if settings.mode != "demo":
        print('the simulator runs only while mode = "demo"', file=sys.stderr)
        return CONFIG_WRONG
    start_logging()
    sim = settings_of(settings)
    far_ends = (sim.twilio, sim.modem_path, sim.siren_path, sim.sky, sim.phones)
    telephones = [part for part in far_ends if part is not None]

    def ready(words: str) -> None:
        """The telephones work; the story itself begins when the gateway is there."""
        if telephones:
            telephones.pop()
            if not telephones:
                _ready(f"{words}, waiting for the gateway")

    try:
        build(sim, lambda _: None)
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return CONFIG_WRONG
    return _serve(lambda: run(sim, ready=ready, say=lambda line: print(line, flush=True)))


def run_everything(options: argparse.Namespace) -> int:
    """`shouwang run`: what `make run` does."""
    from gateway.supervisor import Part, supervise

    settings = checked_settings(options.config, make_demo_secrets=True)
    parts = [Part("portal", timeout_s=60)] if settings.portal is not None else []
    parts.append(Part("gateway", timeout_s=30))
    if settings.mode == "demo":
        parts.insert(-1, Part("sim", timeout_s=30))
    config = options.config.name
    command = (sys.executable, "-m", "shouwang")

    def welcome() -> str:
        return _welcome(settings)

    return asyncio.run(supervise(parts, command=command, config=config, welcome=welcome))


def _welcome(settings: Any) -> str:
    from portal.demo import DEMO_PASSWORD, LOGINS

    lines = ["", f"守望 Shouwang · {settings.site.name} · gateway and portal are running"]
    if settings.portal is not None:
        lines += ["", f"  portal 门户    {settings.portal.public_url}"]
    if settings.mode == "demo" and settings.demo.phones_port:
        lines += [f"  phones 亲属手机 http://127.0.0.1:{settings.demo.phones_port}"]
    if settings.mode == "demo":
        lines += ["  logins 演示登录 (password 密码: " + DEMO_PASSWORD + ")"]
        lines += [f"    {login.phone:<16} {login.name} {login.what}" for login in LOGINS]
        lines += [
            "",
            "  watch 请看:  log in as the duty desk and open 守护 → 报警台 (alarms board).",
            "    ~0:15  王德顺 (dementia) walks out of his fence            走出围栏",
            "    ~0:20  陈秀英's blood pressure climbs over her limit       血压升高",
            "    ~0:30  张桂兰 presses SOS; her son does not answer,        按下求救，儿子未接，",
            "           her daughter answers and presses 1                 女儿接听并按 1",
        ]
    return "\n".join([*lines, "", "  Ctrl-C stops everything in order. 按 Ctrl-C 依次停止。", ""])


def run_bench(options: argparse.Namespace) -> int:
    """`shouwang bench ingest|sos|wires|fence|rules|portal|map|track`."""
    module = importlib.import_module(f"bench.{options.what}")
    module.main(seconds=options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
