"""Why a gateway did not carry out an order about a band, in words and with what to do.

The gateway's reasons are sentences of its desk (`gateway.desk.device_book`, `gateway.errands.bands`);
one of a newer gateway is said in general words, with the sentence as it came.
"""

from __future__ import annotations

import re

from flask_babel import lazy_gettext

from portal.i18n import gettext

REASONS: tuple[tuple[re.Pattern[str], object], ...] = (
    (
        re.compile(r"there is a band (?P<band>\S+) already"),
        lazy_gettext("守望设备上已经有手环 %(band)s。要换人戴，先停用它，再登记给新的人。"),
    ),
    (
        re.compile(r"id '(?P<band>[^']*)': expected an id that"),
        lazy_gettext("号码 %(band)s 已经被别的手环用了，请核对号码。"),
    ),
    (
        re.compile(r"(?:id|device) '(?P<band>[^']*)': expected"),
        lazy_gettext("号码 %(band)s 不能用，请核对号码。"),
    ),
    (
        re.compile(r"wearer '[^']*': expected"),
        lazy_gettext("守望设备里没有这位佩戴者，请先在它的配置里加上。"),
    ),
    (
        re.compile(r"protocol '(?P<band>[^']*)': expected"),
        lazy_gettext("守望设备不认识这种手环（%(band)s），请管理员升级它。"),
    ),
    (
        re.compile(r"model '(?P<band>[^']*)': expected"),
        lazy_gettext("守望设备没有 %(band)s 这个型号，请选同一种线路的通用项。"),
    ),
    (
        re.compile(r"(?:serial|name) '[^']*': expected"),
        lazy_gettext("称呼或机身号太长了，请改短。"),
    ),
    (
        re.compile(r"bands of this site are provisioned on the box"),
        lazy_gettext("本站的手环连在自己的 MQTT 服务器上，要在守望设备上用 shouwang device 登记。"),
    ),
    (
        re.compile(r"(?P<band>\S+) has no key"),
        lazy_gettext("手环 %(band)s 的线路没有密钥可换。"),
    ),
    (
        re.compile(r"there is no band"),
        lazy_gettext("守望设备上没有这只手环了，请刷新列表。"),
    ),
    (
        re.compile(r"(?P<band>\S+) is revoked"),
        lazy_gettext("手环 %(band)s 已经停用了，要用它请重新登记。"),
    ),
    (
        re.compile(r"too many orders about bands wait"),
        lazy_gettext("守望设备上排队的登记太多，请过一会儿再试。"),
    ),
    (
        re.compile(r"the store of devices .* cannot be"),
        lazy_gettext("守望设备写不进它的手环名册，请管理员检查磁盘。"),
    ),
    (
        re.compile(r"this gateway failed at it"),
        lazy_gettext("守望设备自己出了错，它的日志里有原因，请管理员查看。"),
    ),
    (
        re.compile(r"this gateway cannot read it"),
        lazy_gettext("守望设备的版本太旧，不会办这件事，请管理员升级它。"),
    ),
)
BROKER = re.compile(r"the site's own broker")


def refusal_words(reason: str) -> str:
    """Say why in the reader's language, and what to do."""
    for pattern, words in REASONS:
        found = pattern.search(reason)
        if found is not None:
            named = found.groupdict()
            return str(words) % named if named else str(words)
    return gettext("守望设备没有办，它说：%(reason)s", reason=reason)


def remark_words(reason: str) -> str:
    """Say what is left to do after an order that was carried out; empty where nothing is."""
    if BROKER.search(reason):
        return gettext(
            "守望设备已经不听它了，但本站自己的 MQTT 服务器还按旧名册放行："
            "请管理员在守望设备上运行 shouwang device mosquitto。"
        )
    return reason
