"""`shouwang sos`: drills, the story of an incident, taking one on, how the gateway is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gateway.desk.configured import checked_settings


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    words = "drills, the story of an incident, taking one on, how the gateway is"
    parser = commands.add_parser("sos", help=words, description=words)
    asks = parser.add_subparsers(title="what", required=True, metavar="WHAT")

    def add(name: str, words: str) -> argparse.ArgumentParser:
        ask: argparse.ArgumentParser = asks.add_parser(name, help=words, description=words)
        ask.set_defaults(run=run, what=name)
        ask.add_argument("--config", type=Path, default=Path("config.toml"))
        return ask

    drill = add("drill", "ring and text everybody for real, marked as a drill in every word")
    drill.add_argument("--wearer", required=True)
    drill.add_argument("--kind", default="sos", help="which plan: sos, fall, fence, vitals, silence")
    drill.add_argument("--follow-s", type=float, default=600.0, help="tell the story so long (0: do not)")
    replay = add("replay", "make an incident again from the journal, and print its time line")
    for name in ("acknowledge", "resolve"):
        closing = add(name, f"{name} an incident from this box")
        closing.add_argument("incident", help="its id, or its short reference such as A7K2")
        closing.add_argument("--by", required=True, help="who says so")
        closing.add_argument("--note", default="")
        closing.set_defaults(verdict=None)
    closing.add_argument(
        "--verdict", choices=("true", "false", "test"), help="what the alarm turned out to be"
    )
    replay.add_argument("incident", help="its id, or its short reference such as A7K2")
    for ask in (drill, replay):
        ask.add_argument("--lang", choices=("zh", "en"), default="zh")
    add("state", "how the gateway on this box is, in its own words")


def run(options: argparse.Namespace) -> int:
    """`shouwang sos drill|replay|acknowledge|resolve|state`."""
    from gateway.desk import incidents

    settings = checked_settings(options.config)
    match options.what:
        case "drill":
            from sos.story_words import in_words

            done = incidents.drill(
                settings,
                wearer=options.wearer,
                kind=options.kind,
                follow_s=options.follow_s,
                in_words=lambda line: in_words(line, options.lang),
                say=lambda words: print(words, flush=True),
            )
            return 0 if done else 1
        case "replay":
            from gateway.replay import report

            words, same = report(incidents.reader(settings), options.incident, options.lang)
            print(words)
            return 0 if same else 1
        case "state":
            print(incidents.state(settings))
            return 0
        case closing:
            refusal = incidents.close(
                settings,
                what=closing,
                incident=options.incident,
                by=options.by,
                note=options.note,
                verdict=options.verdict,
            )
            print(refusal or "done")
            return 1 if refusal else 0
