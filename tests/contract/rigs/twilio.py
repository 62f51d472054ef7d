"""Twilio: the real client against the fake."""

from __future__ import annotations

from aiohttp import web
from rigs.base import PEOPLE, Persona, Rig
from twilio.request_validator import RequestValidator

from firmware_sim.twilio import TwilioFake
from sos.carriers import twilio
from sos.events import Channel, LegState

ACCOUNT, TOKEN = "AC" + "0" * 32, "a-token-for-tests"


class TwilioRig(Rig):
    """The real client against the fake; a tiny portal takes the callbacks and checks their signatures."""

    async def open(self, _tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(twilio, "RECHECK_S", 3600)  # armed faults are for the test's own requests
        self._portal = web.AppRunner(app := web.Application())
        app.router.add_post("/twilio/gw/{kind}/{leg}", self._callback)
        await self._portal.setup()
        site = web.TCPSite(self._portal, "127.0.0.1", 0)
        await site.start()
        port = self._portal.addresses[0][1]
        self.network = TwilioFake(account_sid=ACCOUNT, auth_token=TOKEN, people=PEOPLE)
        self.carrier = twilio.CARRIER(
            twilio.Settings(
                account_sid=ACCOUNT,
                auth_token=TOKEN,
                from_number="+15005550006",
                callback_url=f"http://127.0.0.1:{port}/twilio",
                gateway="gw",
                base_url=await self.serve(self.network),
            )
        )
        self.listen()

    async def _callback(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(str(request.url), form, signature)
        if request.match_info["kind"] == "voice":
            self.keys.put_nowait((request.match_info["leg"], form["Digits"]))
        return web.Response(text="<Response><Say>已确认</Say></Response>", content_type="text/xml")

    async def close(self) -> None:
        await super().close()
        await self._portal.cleanup()

    async def lose(self) -> None:
        await self.network.unplug()

    async def restore(self) -> None:
        await self.network.plug()

    def refuse_next(self, _channel: Channel) -> None:
        self.carrier = twilio.CARRIER(
            twilio.Settings(
                account_sid=ACCOUNT,
                auth_token="wrong",
                from_number="+15005550006",
                callback_url="http://127.0.0.1:9",
                base_url=self.network.url,
            )
        )

    def lose_next_answer(self, _channel: Channel) -> None:
        self.network.faults.armed.append("lost_response")

    async def ended(self, who: Persona, reference: str) -> LegState:
        await self.network.transcript.seen(who.phone, "hung_up")
        return await self.carrier.status(reference)


RIG = TwilioRig
