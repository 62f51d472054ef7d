"""A domestic cloud provider in the manner of Yuntongxun's REST API, and the configuration that describes it.

Paths, signature, `Authorization`, field names and codes are those of its public documents
(语音通知 LandingCalls, 短信 TemplateSMS); the list, the end of a call and the keys are this fake's own,
because its documents have them only as callbacks.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from aiohttp import web
from rigs.base import PEOPLE, Persona, Rig

from firmware_sim.people import Transcript
from sos.events import LEG_ENDS, Channel, LegReported, LegState
from sos.http_request import EndRequest, FindRequest, PlaceRequest, StatusRequest

SID, TOKEN, APP = "aaf98f894700d0bb014700d2a1c30001", "a-token-for-tests", "8aaf0708"
ROOT = f"/2013-12-26/Accounts/{SID}"
CHINA = timezone(timedelta(hours=8))
OK = "000000"
BAD_SIGNATURE, BAD_REQUEST, QUEUE_FULL, NO_CALL = "160050", "160003", "160090", "160099"
MAX_USER_DATA_BYTES = 15


@dataclass
class Record:
    """One call or text as the provider knows it."""

    kind: str
    phone: str
    words: str
    user_data: str
    made_at: datetime
    state: str = "queued"
    keys: str = ""
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class FakeProvider:
    """Takes signed requests, and lets the people behind the telephones behave as described.

    `refuse` and `lose_answers` count requests to place: refused for an empty account, carried out in silence.
    """

    def __init__(self) -> None:
        self.transcript = Transcript(PEOPLE)
        self.records: dict[str, Record] = {}
        self.refuse = 0
        self.lose_answers = 0
        self.requests = 0
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> str:
        app = web.Application(middlewares=[self._checked])
        app.router.add_post(f"{ROOT}/Calls/LandingCalls", self._call)
        app.router.add_post(f"{ROOT}/SMS/TemplateSMS", self._text)
        app.router.add_get(f"{ROOT}/Result", self._result)
        app.router.add_get(f"{ROOT}/List", self._list)
        app.router.add_post(f"{ROOT}/Calls/Cancel", self._cancel)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        await self.stop()
        tasks = [record.task for record in self.records.values() if record.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ requests

    @web.middleware
    async def _checked(self, request: web.Request, handler) -> web.StreamResponse:
        """Signature, Authorization and content type, as the documents have them."""
        self.requests += 1
        name, _, stamp = base64.b64decode(request.headers.get("Authorization", "")).decode().partition(":")
        expected = hashlib.md5(f"{SID}{TOKEN}{stamp}".encode()).hexdigest().upper()
        if name != SID or request.query.get("sig") != expected:
            return web.json_response({"statusCode": BAD_SIGNATURE, "statusMsg": "包头验证信息错误"})
        at = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=CHINA)
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
        if request.method == "POST":
            assert request.content_type == "application/json"
        return await handler(request)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        said = await request.json()
        assert said["playTimes"] == "3"
        return await self._placed(request, "call", said, said["mediaTxt"], said["userData"])

    async def _text(self, request: web.Request) -> web.StreamResponse:
        said = await request.json()
        assert said["templateId"] == "1"
        return await self._placed(request, "text", said, said["datas"][0], said["reqId"])

    async def _placed(self, request, kind: str, said: dict, words: str, user_data: str) -> web.StreamResponse:
        assert said["appId"] == APP
        assert 0 < len(user_data.encode()) <= MAX_USER_DATA_BYTES
        assert len(said["to"]) == 11, "a national number"
        if self.refuse:
            self.refuse -= 1
            return web.json_response({"statusCode": BAD_REQUEST, "statusMsg": "余额不足"})
        its_id = f"{kind}^{len(self.records) + 1}/a b"
        record = Record(
            kind=kind, phone="+86" + said["to"], words=words, user_data=user_data, made_at=datetime.now(UTC)
        )
        self.records[its_id] = record
        if kind == "text":
            self.transcript.add(record.phone, "text", words)
            record.state = "0"
        else:
            record.task = asyncio.create_task(self._ring(record))
        if self.lose_answers:
            self.lose_answers -= 1
            request.transport.abort()
        part = "LandingCall" if kind == "call" else "templateSMS"
        return web.json_response({"statusCode": OK, part: {"sid": its_id}})

    async def _result(self, request: web.Request) -> web.StreamResponse:
        record = self.records.get(request.query["callsid"])
        if record is None:
            return web.json_response({"statusCode": NO_CALL})
        result = {"state": record.state, "dtmf": record.keys}
        return web.json_response({"statusCode": OK, "result": result})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        since = datetime.strptime(request.query["since"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
        items = [
            {
                "sid": its_id,
                "userData": record.user_data,
                "dateCreated": f"{record.made_at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
            }
            for its_id, record in reversed(self.records.items())
            if record.phone == "+86" + request.query["to"] and record.made_at >= since
        ]
        return web.json_response({"statusCode": OK, "list": items})

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        record = self.records[(await request.json())["callSid"]]
        if record.task is None or record.task.done():
            return web.json_response({"statusCode": NO_CALL, "statusMsg": "呼叫不存在"})
        record.task.cancel()
        with suppress(asyncio.CancelledError):
            await record.task
        self._end(record, "4")
        return web.json_response({"statusCode": OK})

    # ------------------------------------------------------------------ calls

    async def _ring(self, record: Record) -> None:
        """States: queued, ringing, talking, then 0 (spoken), 1 (not answered), 2 (failed), 3 (busy)."""
        who = self.transcript.person(record.phone)
        if who.answer == "busy":
            return self._end(record, "3")
        record.state = "ringing"
        self.transcript.add(record.phone, "ringing")
        await asyncio.sleep(who.after_s)
        if who.answer == "rejects":
            return self._end(record, "3")
        if who.answer == "no_answer":
            await asyncio.sleep(0.85)
            return self._end(record, "1")
        record.state = "talking"
        self.transcript.add(record.phone, "picked_up")
        self.transcript.add(record.phone, "heard", record.words)
        await asyncio.sleep(who.key_after_s)
        if who.answer == "presses":
            record.keys += who.key
            self.transcript.add(record.phone, "pressed", who.key)
        return self._end(record, "0")

    def _end(self, record: Record, state: str) -> None:
        record.state = state
        self.transcript.add(record.phone, "hung_up")


# --------------------------------------------------------------------------- how it is described

HEADERS = {"Accept": "application/json", "Authorization": "{base64:{account}:{timestamp}}"}
SIGNED = {"headers": HEADERS, "sign_text": "{account}{secret}{timestamp}"}
STATES = {
    "queued": "placed",
    "ringing": "ringing",
    "talking": "answered",
    "1": "no_answer",
    "2": "failed",
    "3": "busy",
    "4": "hung_up",
}


def described(url: str, *, token: str = TOKEN) -> dict:
    """What both tables have in common."""
    base = f"{url}/2013-12-26/Accounts/{{account}}"
    return {
        "account": SID,
        "secret": token,
        "sign_encoding": "HEX",
        "ok_path": "statusCode",
        "ok_values": (OK,),
        "refused_values": ("16*",),
        "busy_values": (QUEUE_FULL,),
        "poll_s": 0.03,
        "request_timeout_s": 2.0,
        "status": StatusRequest(
            method="GET",
            url=f"{base}/Result?sig={{signature}}&callsid={{id}}",
            state_path="result.state",
            key_path="result.dtmf",
            **SIGNED,
        ),
        "find": FindRequest(
            method="GET",
            url=f"{base}/List",
            query={"sig": "{signature}", "to": "{phone_national}", "since": "{since}"},
            list_path="list",
            id_path="sid",
            match_path="userData",
            time_path="dateCreated",
            **SIGNED,
        ),
    }


def voice(url: str) -> dict:
    base = f"{url}/2013-12-26/Accounts/{{account}}/Calls"
    return described(url) | {
        "states": STATES | {"0": "no_key"},
        "place": PlaceRequest(
            url=f"{base}/LandingCalls?sig={{signature}}",
            body='{"appId":"' + APP + '","to":"{phone_national}","mediaTxt":"{body}",'
            '"playTimes":"3","userData":"{leg_short}","maxCallTime":"{ring_timeout_s}"}',
            id_path="LandingCall.sid",
            **SIGNED,
        ),
        "hang_up": EndRequest(
            url=f"{base}/Cancel?sig={{signature}}",
            body='{"appId":"' + APP + '","callSid":"{id}"}',
            **SIGNED,
        ),
    }


def text(url: str) -> dict:
    return described(url) | {
        "states": {"0": "delivered", "1": "failed"},
        "place": PlaceRequest(
            url=f"{url}/2013-12-26/Accounts/{{account}}/SMS/TemplateSMS?sig={{signature}}",
            body='{"appId":"' + APP + '","to":"{phone_national}","templateId":"1",'
            '"datas":["{body}"],"reqId":"{leg_short}"}',
            id_path="templateSMS.sid",
            **SIGNED,
        ),
    }


class ProviderRig(Rig):
    """A carrier of the configuration against the fake; the sub-class says which."""

    def made(self, url: str):
        raise NotImplementedError

    async def open(self, _tmp_path, _monkeypatch) -> None:
        self._ends: dict[str, asyncio.Event] = {}
        self.network = FakeProvider()
        self.carrier = self.made(await self.network.start())
        self.listen()

    def report(self, event) -> None:
        super().report(event)
        if isinstance(event, LegReported) and event.state in LEG_ENDS:
            self._end(event.leg_id).set()

    def _end(self, leg_id: str) -> asyncio.Event:
        return self._ends.setdefault(leg_id, asyncio.Event())

    async def close(self) -> None:
        await super().close()
        await self.network.close()

    async def lose(self) -> None:
        await self.network.stop()

    async def restore(self) -> None:
        await self.network.start()

    def refuse_next(self, _channel: Channel) -> None:
        self.network.refuse = 1

    def lose_next_answer(self, _channel: Channel) -> None:
        self.network.lose_answers = 1

    async def ended(self, who: Persona, reference: str) -> LegState:
        await self.network.transcript.seen(who.phone, "hung_up")
        await self._end(reference.partition(" ")[2]).wait()
        return await self.carrier.status(reference)
