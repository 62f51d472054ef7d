"""Makes of bands and the lines they speak on, in words: what a form offers and a list shows.

Makes are files of `data/models`; a band of no make there is registered by its protocol alone.
Which lines a gateway has, only the gateway knows: it refuses what it cannot hear.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

import msgspec
from flask_babel import lazy_gettext

from portal.fields import Choice
from portal.i18n import gettext
from portal.offers import DATA, load
from portal.people.language import chosen_language

PROTOCOLS: Mapping[str, tuple[object, object]] = {
    "senml": (lazy_gettext("守望手环（SenML）"), lazy_gettext("MQTT 或 CoAP")),
    "jt808": (lazy_gettext("部标终端（JT/T 808）"), "TCP"),
    "watch": (lazy_gettext("定位手表"), "TCP"),
    "iw": (lazy_gettext("IW 健康手环"), "TCP"),
    "yx": (lazy_gettext("YX 手环"), "TCP"),
    "senml_slip": (lazy_gettext("无线接收机后的手环"), lazy_gettext("串口")),
    "nmea": (lazy_gettext("北斗定位接收机（NMEA）"), lazy_gettext("串口")),
    "rdss": (lazy_gettext("北斗短报文终端"), lazy_gettext("串口")),
}
"""Protocol -> what speaks it, and on which kind of line."""
ANY: Mapping[str, object] = {
    "jt808-06": lazy_gettext("部标终端，电量在 06 项"),
    "jt808-e3": lazy_gettext("部标终端，电量在 E3 项"),
    "jt808-eb": lazy_gettext("部标终端，读数在 EB 项"),
    "jt808-fe": lazy_gettext("部标终端，电量在 FE 项"),
    "jt808-lenient": lazy_gettext("部标终端，校验和不对的"),
}
"""Files that are no make but a way to bend a protocol."""
HAN = re.compile(r"[\u3400-\u9fff]+\s*")
CHINESE = re.compile(r".*[\u3400-\u9fff]+(?: [A-Z0-9]+\b)?")
"""The Chinese part of a name that goes on in English: "定位手表 3G" of "定位手表 3G SeTracker watch"."""


class Make(msgspec.Struct, frozen=True, kw_only=True):
    """What a form needs of a file of `data/models`; the rest is its codec's."""

    name: str
    protocol: str


@functools.cache
def makes() -> Mapping[str, Make]:
    """Every make by its file's name."""
    return load(DATA / "models", Make)


def protocol_of(chosen: str) -> tuple[str, str]:
    """The protocol and the model of a choice of the form (`senml`, `watch/watch-3g`)."""
    protocol, _, model = chosen.partition("/")
    return protocol, model


def choice_of(protocol: str, model: str) -> str:
    """The choice of the form that stands for a protocol and a model."""
    return f"{protocol}/{model}" if model else protocol


def choices() -> tuple[Choice, ...]:
    """What the form offers: every protocol by itself, then every make."""
    plain = [Choice(value=name, label=f"{words} · {line}") for name, (words, line) in PROTOCOLS.items()]
    known = [
        Choice(value=choice_of(make.protocol, model), label=f"{make_words(make.protocol, model)} · {line}")
        for model, make in makes().items()
        if (line := line_words(make.protocol))
    ]
    return (*plain, *known)


def make_words(protocol: str, model: str) -> str:
    """The make of a band as people call it; what this portal does not know stands as it came."""
    if model in ANY:
        return str(ANY[model])
    make = makes().get(model)
    if make is not None:
        return _chinese(make.name) if chosen_language() == "zh" else HAN.sub("", make.name).strip()
    return model or str(PROTOCOLS.get(protocol, (protocol,))[0])


def _chinese(name: str) -> str:
    found = CHINESE.match(name)
    return name if found is None else found[0]


def line_words(protocol: str) -> str:
    """The kind of line a protocol is spoken on; empty where this portal does not know it."""
    return str(PROTOCOLS.get(protocol, ("", ""))[1])


def wire_words(wire: str) -> str:
    """A wire as its gateway names it, in words: "MQTT（加密）"."""
    kind, secured = wire.removesuffix(" with TLS"), wire.endswith(" with TLS")
    words = {"mqtt": "MQTT", "coap": "CoAP", "tcp": "TCP", "serial": gettext("串口")}.get(kind, kind)
    return gettext("%(wire)s（加密）", wire=words) if secured else words
