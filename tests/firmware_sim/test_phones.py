"""The wall of telephones: what is shown is what the networks did, and what is pressed reaches them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from firmware_sim.people import HandCall, Hands, Persona, Transcript
from firmware_sim.phones import OURS, PhoneWall
from firmware_sim.settings import SimPhone
from firmware_sim.siren import SimSiren
from firmware_sim.wall import MAX_ITEMS, fold, spaced

DAUGHTER = Persona(phone="+8613800138002", name="李晓梅", answer="presses", after_s=60, key_after_s=60)
SON = Persona(phone="+8613800138001", name="李建国", answer="no_answer")
PEOPLE = {DAUGHTER.phone: DAUGHTER, SON.phone: SON}
QUICK = Persona(phone="+8613800138003", answer="presses", after_s=0, key_after_s=0)


@asynccontextmanager
async def call_of(person: Persona, *, held: bool = False):
    """A call to this person; gives their hand, the call, and the caller's wish to end it."""
    hands = Hands()
    hand = hands.of(person.phone)
    hand.hold(held=held)
    with hand.call(person) as call:
        yield hand, call, asyncio.Event()


async def test_a_person_nobody_plays_decides_as_the_scenario_says():
    async with call_of(QUICK) as (_, call, ended):
        assert await call.rings(ended=ended, limit_s=5) == "picked_up"
        assert await call.key(ended=ended) == "1"
        assert await call.key(ended=ended) is None


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        ("rejects", "rejected"),
        ("voicemail", "machine"),
        ("answers", "picked_up"),
        ("no_answer", "unanswered"),
    ],
)
async def test_every_habit_ends_the_ringing_its_own_way(answer, end):
    person = Persona(phone="+8613800138003", answer=answer, after_s=0)
    async with call_of(person) as (_, call, ended):
        assert await call.rings(ended=ended, limit_s=0.05) == end


async def test_a_visitor_who_touches_a_call_has_it_to_its_end():
    async with call_of(DAUGHTER) as (hand, call, ended):
        ringing = asyncio.create_task(call.rings(ended=ended, limit_s=60))
        await asyncio.sleep(0)
        assert hand.answer()
        assert await ringing == "picked_up"
        waiting = asyncio.create_task(call.key(ended=ended))
        await asyncio.sleep(0)
        assert hand.press("2")
        assert await waiting == "2"
        assert hand.hang_up()
        assert await call.key(ended=ended) is None
    assert not hand.answer()
    assert not hand.press("1")
    assert not hand.held


async def test_a_held_telephone_is_not_answered_by_its_person_and_is_not_busy():
    async with call_of(QUICK, held=True) as (_, call, ended):
        assert await call.rings(ended=ended, limit_s=0.05) == "unanswered"
    busy = Persona(phone="+8613800138003", answer="busy")
    assert HandCall(Hands().of(busy.phone), busy).busy
    async with call_of(busy, held=True) as (hand, call, ended):
        assert not call.busy
        hand.reject()
        assert await call.rings(ended=ended, limit_s=5) == "rejected"


async def test_the_caller_may_end_it_while_a_visitor_has_it():
    async with call_of(DAUGHTER, held=True) as (hand, call, ended):
        ended.set()
        assert await call.rings(ended=ended, limit_s=5) == "ended"
        hand.answer()
    async with call_of(DAUGHTER, held=True) as (hand, call, ended):
        hand.answer()
        assert await call.rings(ended=ended, limit_s=5) == "picked_up"
        ended.set()
        assert await call.key(ended=ended) is None


def test_a_number_is_written_as_people_write_it():
    assert spaced("+8613800138002") == "138 0013 8002"
    assert spaced("+15005550006") == "+15005550006"


async def test_entries_become_texts_and_calls_that_say_how_they_ended():
    told = Transcript(PEOPLE)
    phone = SON.phone
    told.add(phone, "text", "求救")
    for ends in (("hung_up", "busy"), ("ringing", ""), ("hung_up", "no-answer")):
        told.add(phone, *ends)
    for kind, words in (
        ("ringing", ""),
        ("picked_up", ""),
        ("heard", "这里是守望"),
        ("heard", "这里是守望"),
        ("pressed", "1"),
        ("heard", "已确认"),
        ("hung_up", "completed"),
        ("replied", "1"),
        ("ringing", ""),
        ("voicemail", ""),
        ("hung_up", "completed"),
        ("ringing", ""),
    ):
        told.add(phone, kind, words)
    text, busy, missed, answered, reply, machine, rings = fold(told.entries, via="Twilio")
    assert (text.words, text.mine, reply.mine) == ("求救", False, True)
    ends = [call.end for call in (busy, missed, answered, machine, rings)]
    assert ends == ["rejected", "missed", "answered", "machine", ""]
    assert answered.heard == {"这里是守望": 2, "已确认": 1}
    assert answered.keys == "1"
    assert rings.state == "ringing"


@pytest.fixture
async def wall(tmp_path):
    """A wall with two telephones and a siren; gives it, its transcript and a client of its page."""
    transcript = Transcript(PEOPLE)
    siren = SimSiren(path=tmp_path / "siren0")
    page = PhoneWall(
        phones=[SimPhone(phone=DAUGHTER.phone, relation="女儿", of="张桂兰"), SimPhone(phone=SON.phone)],
        transcripts={"Twilio": transcript},
        siren=siren,
        title="傍晚",
    )
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(page.run(ready.set_result))
    async with aiohttp.ClientSession(await ready) as client:
        yield page, transcript, client, siren
    serving.cancel()
    await asyncio.wait([serving])


def post(client, path: str, given: object = None, *, ours: bool = True):
    return client.post(path, json={} if given is None else given, headers={OURS: "1"} if ours else {})


async def test_the_page_and_its_files_are_served_with_nothing_from_elsewhere(wall):
    _, _, client, _ = wall
    for path in ("/", "/wall.css", "/wall.js", "/wall.svg", "/call.svg"):
        async with client.get(path) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
            text = await answer.text()
            assert 'src="http' not in text
            assert "style=" not in text


async def test_every_change_is_told_once_as_the_whole_wall(wall):
    _, transcript, client, siren = wall
    async with client.get("/events") as stream:

        async def told() -> dict:
            async for line in stream.content:
                if line.startswith(b"data: "):
                    return json.loads(line.removeprefix(b"data: "))
            raise AssertionError

        first = await told()
        assert [card["name"] for card in first["cards"]] == ["李晓梅", "李建国"]
        assert first["cards"][0]["items"] == []
        transcript.add(DAUGHTER.phone, "text", "【守望】求救")
        (item,) = (await told())["cards"][0]["items"]
        assert (item["words"], item["via"]) == ("【守望】求救", "Twilio")
        transcript.add(DAUGHTER.phone, "ringing")
        assert (await told())["cards"][0]["call"]["state"] == "ringing"
        siren._switch(on=True)
        assert (await told())["siren"]["on"] is True
        async with post(client, f"/phones/{SON.phone}/hold") as answer:
            assert answer.status == 204
        assert (await told())["cards"][1]["held"] is True


async def test_a_full_screen_keeps_the_newest(wall):
    page, transcript, _, _ = wall
    for number in range(MAX_ITEMS + 5):
        transcript.add(SON.phone, "text", str(number))
    items = page.shown()["cards"][1]["items"]
    assert [item["words"] for item in items] == [str(number) for number in range(5, MAX_ITEMS + 5)]


async def test_a_visitor_texts_back_once_there_is_something_to_answer(wall):
    page, transcript, client, _ = wall
    path = f"/phones/{SON.phone}/reply"
    async with post(client, path, {"words": "1"}) as answer:
        assert answer.status == 409
    page.hands.of(SON.phone).text_came(lambda words: transcript.add(SON.phone, "replied", words))
    async with post(client, path, {"words": " 1 "}) as answer:
        assert answer.status == 204
    assert transcript.of(SON.phone, "replied") == ("1",)


@pytest.mark.parametrize(
    ("path", "given", "ours", "status"),
    [
        ("/phones/+8613800138001/answer", None, False, 403),
        ("/phones/+8613800138001/answer", None, True, 409),
        ("/phones/+8613800138001/reject", None, True, 409),
        ("/phones/+8613800138001/hang-up", None, True, 409),
        ("/phones/+8613800138001/dance", None, True, 404),
        ("/phones/+8613800138999/answer", None, True, 404),
        ("/phones/+8613800138001/press", {"key": "11"}, True, 400),
        ("/phones/+8613800138001/reply", {"words": "x" * 201}, True, 400),
        ("/phones/+8613800138001/reply", {"words": "  "}, True, 400),
        ("/phones/+8613800138001/hold", ["no table"], True, 400),
    ],
)
async def test_what_cannot_be_done_is_refused_and_says_which_kind_of_wrong_it_is(
    wall, path, given, ours, status
):
    _, _, client, _ = wall
    async with post(client, path, given, ours=ours) as answer:
        assert answer.status == status


async def test_whoever_is_texted_besides_has_a_card_too_the_newest_first(wall):
    page, transcript, client, _ = wall
    for number in range(20):
        transcript.add(f"+86138001390{number:02}", "text", f"您的登录码是 {number:06}")
    cards = page.shown()["cards"]
    assert [card["phone"] for card in cards[:3]] == [DAUGHTER.phone, SON.phone, "+8613800139019"]
    assert cards[2]["items"][0]["words"] == "您的登录码是 000019"
    assert len(cards) == 2 + 12
    async with post(client, "/phones/+8613800139019/hold") as answer:
        assert answer.status == 204
