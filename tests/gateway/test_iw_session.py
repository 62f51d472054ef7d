"""A bracelet that says who it is only once: what the gateway believes of its line before and after."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.bands.registry import Device, Registry
from gateway.codecs.iw import IwCodec, IwSettings
from gateway.intake import Intake
from gateway.model import DownAnswer, DownCommand
from gateway.transports.base import Inbound, Link, Outcome

IMEI, OTHER = "355932600077007", "353456789012345"
LOGIN = f"IWAP00{IMEI}#"
SOS = "IWAP10{day}A3109.3180N12106.3000E000.0{time}000.0006000908000102,460,0,9520,3671,01,zh-cn,00#"


class Line:
    """One TCP connection of a bracelet into a house."""

    def __init__(self, house) -> None:
        self.house = house
        self.link = Link(wire="tcp", protocol="iw", peer="127.0.0.1:2", streaming=True)
        self.settled = []
        self.intake = Intake(
            registry=Registry(
                [
                    Device(device="band-zhang", protocol="iw", wearer="zhang", wire_id=IMEI, model="beijing"),
                    Device(device="band-li", protocol="iw", wearer="zhang", wire_id=OTHER),
                ]
            ),
            engine=house.engine,
            journal=house.journal,
            clock=house.clock,
            codec=lambda _, settings, now, bands: IwCodec(settings, now=now, bands=bands),
            models={"beijing": IwSettings(time_offset_s=28800.0)},
        )

    def say(self, text: str) -> None:
        self.intake.receive(Inbound(link=self.link, data=text.encode(), settle=self.settled.append))

    def outcomes(self):
        return [(one.outcome, b"".join(one.replies)) for one in self.settled]

    def kept(self):
        return [row.reason for record in self.house.journal.records for row in record.rest.quarantine]

    def press(self) -> str:
        """An SOS of this very second, in the Beijing time of its model."""
        local = self.house.clock.now() + timedelta(hours=8)
        return SOS.format(day=f"{local:%y%m%d}", time=f"{local:%H%M%S}")


@pytest.fixture
def line(house):
    return Line(house)


async def test_what_comes_before_a_login_is_kept_and_believed_nobodys(line):
    line.say("IWAP49,68#")
    line.house.journal.commit()
    assert line.outcomes() == [(Outcome.QUARANTINED, b"")]
    assert line.kept() == ["no device id"]


async def test_a_login_is_answered_after_the_commit_and_the_line_is_then_the_bands(line):
    line.say(LOGIN)
    assert line.settled == []
    line.house.journal.commit()
    ((outcome, reply),) = line.outcomes()
    assert outcome is Outcome.STORED
    assert reply == f"IWBP00,{line.house.clock.now():%Y%m%d%H%M%S},8#".encode()
    assert line.link.pinned == IMEI
    line.say("IWAP49,68#")
    line.house.journal.commit()
    assert line.outcomes()[1] == (Outcome.STORED, b"IWBP49#")
    assert [event.device for event in line.house.events("telemetry")] == ["band-zhang", "band-zhang"]


async def test_a_stranger_gets_no_answer_and_its_frames_are_kept_with_its_id(line):
    line.say("IWAP00999999999999999#IWAP49,68#")
    line.house.journal.commit()
    assert line.outcomes() == [(Outcome.QUARANTINED, b"")]
    assert line.kept() == ["unknown device", "unknown device"]
    rows = [row for record in line.house.journal.records for row in record.rest.quarantine]
    assert [row.device for row in rows] == ["999999999999999"] * 2


async def test_a_second_login_as_another_band_ends_the_line(line):
    line.say(LOGIN)
    line.say(f"IWAP00{OTHER}#")
    line.house.journal.commit()
    assert [outcome for outcome, _ in line.outcomes()] == [Outcome.STORED, Outcome.FORBIDDEN]


async def test_an_sos_starts_the_cascade_in_the_time_of_its_model_and_is_answered(line):
    line.say(LOGIN + line.press())
    assert line.house.carried_out == []
    line.house.journal.commit()
    assert line.outcomes()[0][1].endswith(b"IWBP10#")
    assert {kind for kind, _, _ in line.house.carried_out} == {"SendText", "PlaceCall"}
    (raised,) = line.house.events("alarm")
    assert raised.alarm.kind == "sos"
    assert not raised.alarm.late
    assert raised.alarm.at == line.house.clock.now().replace(microsecond=0)


async def test_an_sos_before_the_login_rings_once_its_band_is_known_and_the_repeat_is_the_same_press(line):
    text = line.press()
    line.say(text)
    line.house.journal.commit()
    assert (line.outcomes(), line.kept()) == ([(Outcome.QUARANTINED, b"")], ["no device id"])
    assert line.house.events("alarm") == []
    line.say(LOGIN)
    line.house.journal.commit()
    (raised,) = line.house.events("alarm")
    assert (raised.alarm.kind, raised.alarm.late) == ("sos", False)
    line.say(text)
    line.house.journal.commit()
    assert len(line.house.events("alarm")) == 1
    assert [kind for kind, _, _ in line.house.carried_out].count("PlaceCall") == 1


async def test_an_sos_before_a_strangers_login_rings_nobody(line):
    line.say(line.press() + "IWAP00999999999999999#" + LOGIN)
    line.house.journal.commit()
    assert line.house.events("alarm") == []


async def test_a_repeated_sos_is_the_same_press_and_answered_again(line):
    line.say(LOGIN)
    text = line.press()
    line.say(text)
    line.say(text)
    line.house.journal.commit()
    assert [reply for _, reply in line.outcomes()][1:] == [b"IWBP10#", b"IWBP10#"]
    assert len({event.incident.incident_id for event in line.house.events("incident")}) == 1
    assert [kind for kind, _, _ in line.house.carried_out].count("PlaceCall") == 1


async def test_the_answer_to_an_order_reaches_whoever_waits_for_it(line):
    line.say(LOGIN)
    line.house.journal.commit()
    line.house.orders.waiting.add("band-zhang")
    order = line.intake.codec_of(IMEI).encode_down(DownCommand(name="locate_now"), IMEI)
    line.say(f"IWAP16,{order.tag.partition(',')[2]}#")
    line.house.journal.commit()
    ((device, answer, _, _),) = line.house.orders.answers
    assert (device, answer) == ("band-zhang", DownAnswer(tag=order.tag, done=True))
