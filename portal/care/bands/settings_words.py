"""What is typed into a band, wire by wire, in words an installer follows.

The gateway tells it in its own words (`gateway.desk.device_sheet`); a phrase of a newer one stands as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flask_babel import lazy_gettext

from portal.care.bands.makes import wire_words
from portal.i18n import gettext

LABELS: Mapping[str, object] = {
    "host": lazy_gettext("服务器地址"),
    "port": lazy_gettext("端口"),
    "user name": lazy_gettext("用户名"),
    "password": lazy_gettext("密码"),
    "client id": lazy_gettext("客户端编号"),
    "server id": lazy_gettext("服务器编号"),
    "publishes to": lazy_gettext("上报主题"),
    "subscribes to": lazy_gettext("接收主题"),
    "certificate": lazy_gettext("证书"),
    "path": lazy_gettext("路径"),
    "OSCORE": lazy_gettext("OSCORE 参数"),
    "master secret": lazy_gettext("主密钥"),
    "phone": lazy_gettext("终端手机号"),
    "login code": lazy_gettext("鉴权码"),
    "serial": lazy_gettext("机身号"),
    "id": lazy_gettext("手环号码"),
}
SECRET_OF: Mapping[str, str] = {"mqtt": "password", "coap": "master secret"}
"""On which wire which secret is typed."""
AFTER = "user name"
"""Behind what the password is typed; the master secret is the last thing of its wire."""
LOOPBACK = re.compile(r"127\.|::1$|localhost$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """One thing to type: its name, its value, what to know of it; `copied`: it is typed as it stands."""

    label: str
    value: str
    hint: str = ""
    secret: bool = False
    copied: bool = True


@dataclass(slots=True, kw_only=True)
class Wire:
    """One way into the gateway with all that is typed for it; `alarm` says what keeps bands from it."""

    words: str
    kind: str
    lines: list[Typed] = field(default_factory=list)
    alarm: str = ""


def wires(settings: Sequence[Sequence[str]], secrets: Mapping[str, str]) -> list[Wire]:
    """What is typed, wire by wire; each secret stands once, where it is typed."""
    found: list[Wire] = []
    for what, value in settings:
        if what == "wire" or not found:
            _finish(found, secrets)
            kind = value.removesuffix(" with TLS") if what == "wire" else ""
            found.append(Wire(words=wire_words(value) if what == "wire" else "", kind=kind))
        if what == "wire":
            continue
        wire = found[-1]
        wire.lines.append(_typed(what, value))
        if what == "host":
            wire.alarm = _unreachable(value)
        if what == AFTER and wire.kind == "mqtt" and "password" in secrets:
            wire.lines.append(_secret("password", secrets["password"]))
    _finish(found, secrets)
    return found


def _finish(found: list[Wire], secrets: Mapping[str, str]) -> None:
    """Put a secret at the end of the wire that has not got it yet."""
    if not found:
        return
    wire, name = found[-1], SECRET_OF.get(found[-1].kind, "")
    if name in secrets and not any(line.secret for line in wire.lines):
        wire.lines.append(_secret(name, secrets[name]))


def _secret(name: str, value: str) -> Typed:
    plain = value.removesuffix(" (hex)")
    hint = gettext("十六进制") if plain != value else gettext("分大小写，一个字都不能错")
    return Typed(label=_label(name), value=plain, hint=hint, secret=True)


def _label(what: str) -> str:
    return str(LABELS.get(what, what))


def _typed(what: str, value: str) -> Typed:
    label = _label(what)
    if what == "host" and not value:
        return Typed(label=label, value=gettext("守望设备没有写下自己的地址"), copied=False)
    for pattern, say in PHRASES:
        found = pattern.fullmatch(value)
        if found is not None:
            plain, hint = say(found)
            return Typed(label=label, value=plain or hint, hint=hint if plain else "", copied=bool(plain))
    return Typed(label=label, value=value)


def _unreachable(host: str) -> str:
    if not host:
        return gettext("请管理员在守望设备的 config.toml 里写上 site.address，再换一次密钥。")
    if LOOPBACK.match(host):
        return gettext("这个地址只有守望设备自己连得上，手环连不上。请管理员改这条线路的 host。")
    return ""


PHRASES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]], ...] = (
    (
        re.compile(r"any, always the same: (.+)"),
        lambda found: (found[1], gettext("也可以自己定，但要一直不变")),
    ),
    (re.compile(r"([0-9a-f]+) \(hex\)"), lambda found: (found[1], gettext("十六进制"))),
    (
        re.compile(r"(\S+) \(readings\), (\S+) \(orders, Observe\)"),
        lambda found: (
            f"{found[1]}  {found[2]}",
            gettext("前一个上报读数，后一个接收指令（Observe）"),
        ),
    ),
    (
        re.compile(r"its own, for (\S+), signed by the site's authority"),
        lambda found: ("", gettext("%(band)s 自己的证书，由本站签发", band=found[1])),
    ),
    (
        re.compile(r"none to type: the gateway issues it when the terminal registers"),
        lambda _: ("", gettext("不用输入，第一次连上时由守望设备发给它")),
    ),
    (
        re.compile(r"none written down: whoever knows the phone number can register as this terminal"),
        lambda _: ("", gettext("没有写下：知道终端手机号的人也能冒充它登记")),
    ),
    (
        re.compile(r"AES-CCM-16-64-128, HKDF-SHA-256, no master salt, no id context"),
        lambda _: ("AES-CCM-16-64-128, HKDF-SHA-256", gettext("没有 master salt，没有 id context")),
    ),
)
"""What the gateway says in a sentence -> what is typed, and what to know of it."""
