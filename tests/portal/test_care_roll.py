"""The staff's lists: who needs a look first, and how each gateway is, sentence first."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.model import Battery, Worn
from gateway.told import CarrierHealth, GatewayHealth
from gateway.told_health import Certificate, GatewayFigures, Modem
from gateway.told_orders import BandsTold, BandView

BAND = BandView(
    device="band-zhang",
    wire_id="band-zhang",
    protocol="senml",
    wearer="zhang-guilan",
    state="active",
    key="set",
    source="store",
    model="iw",
)


def figures(samples, **more) -> GatewayFigures:
    fields = {
        "version": "1.4.0",
        "started_at": samples.NOW - dt.timedelta(hours=30),
        "journal_mb": 12.0,
        "disk_free_mb": 8200.0,
        "clock": "synchronised",
        "modem": Modem(operator="中国移动", signal_dbm=-71),
    }
    return GatewayFigures(**(fields | more))


def order_of(page: str, *names: str) -> list[str]:
    return sorted(names, key=page.index)


def test_who_needs_a_look_comes_first_and_each_need_is_said(people, gateway, samples):
    gateway.send(
        samples.ROSTER,
        BandsTold(bands=(BAND,)),
        samples.telemetry(Battery(battery_pct=80), Worn(worn=True)),
        samples.telemetry(Battery(battery_pct=8), wearer="wang-deshun"),
    )
    page = people["staff"].get("/care/roll/").text
    assert order_of(page, "张桂兰", "王德顺") == ["王德顺", "张桂兰"]
    assert "1 人要留意，一共 2 人。" in page
    assert "电量低" in page
    assert "没有手环" in page
    gateway.send(samples.incident())
    page = people["staff"].get("/care/roll/").text
    assert order_of(page, "张桂兰", "王德顺") == ["张桂兰", "王德顺"]
    only = people["staff"].get("/care/roll/?need=low_battery").text
    assert 'id="roll-2"' in only
    assert 'id="roll-1"' not in only


def test_the_list_can_be_taken_as_a_table(people, gateway, samples):
    gateway.send(samples.ROSTER, BandsTold(bands=(BAND,)), samples.at_home())
    answer = people["staff"].get("/care/roll.csv")
    assert answer.mimetype == "text/csv"
    lines = answer.text.lstrip("\ufeff").splitlines()
    assert len(lines) == 3
    zhang = next(line for line in lines if line.startswith("张桂兰,3栋2单元401,"))
    assert zhang.endswith("64,,iw,gw-xinhe-1")


@pytest.mark.parametrize("path", ["/care/roll/", "/care/roll.csv", "/care/gateways/"])
def test_only_watchers_find_the_lists(people, gateway, samples, path):
    gateway.send(samples.ROSTER)
    assert people["grid_worker"].get(path).status_code == 200
    for role in ("guardian", "resident"):
        assert people[role].get(path).status_code == 404


def test_a_gateway_that_is_well_says_so_in_one_sentence(people, gateway, samples):
    gateway.send(
        samples.ROSTER,
        GatewayHealth(carriers=(CarrierHealth(carrier="gsm_modem", healthy=True),), figures=figures(samples)),
    )
    page = people["staff"].get("/care/gateways/").text
    assert "信号好，一切正常" in page
    assert "信号好（-71 dBm）" in page
    assert "1.4.0" in page


def test_what_is_wrong_comes_first_with_what_to_do(people, gateway, samples, app):
    soon = Certificate(listener="mqtt", ends_at=samples.NOW + dt.timedelta(days=3, hours=1))
    ill = figures(
        samples,
        modem=Modem(operator="中国移动", signal_dbm=-107),
        disk_free_mb=300.0,
        clock="free",
        certificates=(soon,),
        quarantined=2,
        unsent_events=40,
        unsent_since=samples.NOW - dt.timedelta(hours=1),
    )
    gateway.send(samples.ROSTER, GatewayHealth(carriers=(), figures=ill))
    page = people["staff"].get("/care/gateways/").text
    for words in (
        "本机电话卡的信号弱",
        "磁盘快满了",
        "有 40 条消息还没有传上来",
        "时钟没有校准",
        "证书还有 3 天到期",
        "有 2 个没有登记的设备在发消息",
    ):
        assert words in page
    app.config["NOW"] = lambda: samples.NOW + dt.timedelta(minutes=10)
    later = people["staff"].get("/care/gateways/").text
    assert order_of(later, "守望设备离线", "本机电话卡的信号弱") == ["守望设备离线", "本机电话卡的信号弱"]
