"""OSCORE at the CoAP server: who is believed, what is refused and counted, what outlives a kill."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiocoap import FETCH, GET, POST, Message
from rigs.coap_band import band, said_again

from gateway.bands import keys
from gateway.transports import coap, coap_wire
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site


@dataclass
class Believing:
    """Knows the bands in `secrets` by their OSCORE keys, and no password; stores at once."""

    secrets: dict[str, str]
    got: list[tuple[str | None, bytes]] = field(default_factory=list)
    closed_links: list[Link] = field(default_factory=list)
    congested: bool = False

    def receive(self, inbound: Inbound) -> None:
        self.got.append((inbound.link.device, inbound.data))
        inbound.settle(Settlement(Outcome.STORED))

    def admits(self, device: str, secret: bytes) -> bool:
        return self.secrets.get(device, "").encode() == secret != b""

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        for device, key in self.secrets.items():
            if key_id == keys.key_id(device):
                return device, keys.derive(key).oscore_secret
        return None

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)


@dataclass
class House:
    """A running server and the folder its numbers live in."""

    transport: coap.CoapTransport
    sink: Believing
    task: asyncio.Task[None]
    folder: Path

    @property
    def port(self) -> int:
        return int(self.transport.address.rsplit(":", 1)[1])

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def again(self, *, killed: bool) -> House:
        """Stop it and start it on the same folder; after a kill the file is what it was while it ran."""
        file = self.folder / "oscore" / "g.json"
        running = file.read_bytes()
        await self.stop()
        if killed:
            file.write_bytes(running)
        return await started(self.sink, self.folder)


async def started(sink: Believing, folder: Path, **settings: object) -> House:
    site = Site(gateway="g", community="xinhe", data_dir=folder)
    transport = coap.CoapTransport(coap.CoapSettings(port=0, **settings), sink, site)
    ready = asyncio.Event()
    task = asyncio.create_task(transport.run(lambda _: ready.set()))
    await ready.wait()
    return House(transport, sink, task, folder)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await started(Believing({"band-1": "key one", "band-2": "key two"}), tmp_path)
    yield built
    await built.stop()


async def test_a_band_is_who_its_key_says_and_nobody_else(house: House, tmp_path: Path) -> None:
    async with band(house.port, tmp_path / "flash") as one:
        assert await one.post(b"[1]") == "2.04"
        assert (await one.ask("band-2/up")).code.dotted == "4.03"
        assert (await one.ask("band-1/sideways")).code.dotted == "4.04"
        assert (await one.ask("band-1/up", content_format=50)).code.dotted == "4.15"
        assert (await one.ask("band-2/down", code=GET, data=b"")).code.dotted == "4.03"
    assert house.sink.got == [("band-1", b"[1]")]
    assert house.transport.counts["4.01 asked for an Echo"] == 1


async def test_nothing_of_a_request_can_be_read_on_the_way(house: House, tmp_path: Path) -> None:
    async with band(house.port, tmp_path / "flash") as one:
        assert await one.post(b'[{"n":"sos","vb":true}]') == "2.04"
    sent = b"".join(one.relay.recorded)
    for word in (b"sos", b"xinhe", b"band-1", b"key one"):
        assert word not in sent


async def test_a_wrong_key_is_refused_and_counted_and_disturbs_nobody(house: House, tmp_path: Path) -> None:
    async with band(house.port, tmp_path / "thief", key="a guess") as thief:
        with pytest.raises(Exception, match=r"NotAProtectedMessage|No Object-Security"):
            await thief.post()
        refusal = await said_again(house.port, thief.relay.recorded[-1])
    assert refusal.code.dotted == "4.00"
    assert house.transport.counts["4.00 wrong key"] == 2
    async with band(house.port, tmp_path / "flash") as one:
        assert await one.post() == "2.04"
    assert len(house.sink.got) == 1


async def test_an_unknown_key_id_is_refused_at_the_socket(house: House, tmp_path: Path) -> None:
    async with band(house.port, tmp_path / "flash", device="band-9") as stranger:
        with pytest.raises(Exception, match=r"NotAProtectedMessage|No Object-Security"):
            await stranger.post()
        assert (await said_again(house.port, stranger.relay.recorded[-1])).code.dotted == "4.01"
    assert house.transport.counts["4.01 unknown key id"] == 2


async def test_a_recorded_datagram_is_refused_however_often_we_restart(house: House, tmp_path: Path) -> None:
    async with band(house.port, tmp_path / "flash") as one:
        assert [await one.post(), await one.post()] == ["2.04", "2.04"]
    recorded = one.relay.recorded[-1]
    assert (await said_again(house.port, recorded)).code.dotted == "4.01"
    assert house.transport.counts["4.01 replay"] == 1
    stopped = await house.again(killed=False)
    assert (await said_again(stopped.port, recorded)).code.dotted == "4.01"
    assert stopped.transport.counts["4.01 replay"] == 1
    async with band(stopped.port, tmp_path / "flash") as one:
        assert await one.post() == "2.04"
    assert stopped.transport.counts["4.01 asked for an Echo"] == 0
    killed = await stopped.again(killed=True)
    answer = await said_again(killed.port, recorded)
    assert (answer.code.dotted, killed.transport.counts["4.01 asked for an Echo"]) == ("2.04", 1)
    async with band(killed.port, tmp_path / "flash") as one:
        assert await one.post() == "2.04"
    assert (await said_again(killed.port, recorded)).code.dotted == "4.01"
    await killed.stop()
    assert len(house.sink.got) == 4


async def test_a_revoked_band_is_out_at_once_and_hears_nothing_more(house: House, tmp_path: Path) -> None:
    async with band(house.port, tmp_path / "flash") as one:
        request = Message(code=GET, uri=f"{one.base}/sw/xinhe/band-1/down", observe=0)
        asking = one.client.request(request)
        assert (await asking.response).payload == b""
        del house.sink.secrets["band-1"]
        house.transport.forget("band-1")
        assert not house.transport.send("band-1", b"order", lambda: None)
        with pytest.raises(Exception, match=r"NotAProtectedMessage|No Object-Security"):
            await one.post()
        asking.observation.cancel()
    assert [link.device for link in house.sink.closed_links] == ["band-1"]
    assert house.sink.got == []


async def test_an_observer_gets_every_order_once_and_in_order(house: House, tmp_path: Path) -> None:
    async with band(house.port, tmp_path / "flash") as one:
        request = Message(code=GET, uri=f"{one.base}/sw/xinhe/band-1/down", observe=0)
        asking = one.client.request(request)
        assert (await asking.response).payload == b""
        done: list[str] = []
        orders = [b"help is coming", b"ring", b"long " * 500]
        for order in orders:
            assert house.transport.send("band-1", order, lambda order=order: done.append(order))
        heard = [(await anext(notes)).payload for notes in [aiter(asking.observation)] for _ in orders]
        assert heard == orders
        assert await one.post() == "2.04"
        assert done == orders
        asking.observation.cancel()


async def test_a_rotated_key_ends_the_old_one_and_begins_anew(house: House, tmp_path: Path) -> None:
    async with band(house.port, tmp_path / "flash") as one:
        assert await one.post() == "2.04"
        house.sink.secrets["band-1"] = "key three"
        house.transport.forget("band-1")
        with pytest.raises(Exception, match=r"NotAProtectedMessage|No Object-Security"):
            await one.post()
    async with band(house.port, tmp_path / "new flash", key="key three") as one:
        assert await one.post() == "2.04"


async def test_while_its_numbers_cannot_be_kept_nothing_is_believed(tmp_path: Path) -> None:
    (tmp_path / "oscore").write_text("in the way")
    house = await started(Believing({"band-1": "key one"}), tmp_path)
    async with band(house.port, tmp_path / "flash") as one:
        with pytest.raises(Exception, match=r"NotAProtectedMessage|No Object-Security"):
            await one.post()
    assert house.transport.counts["5.03 no numbers"] == 1
    await house.stop()


@pytest.mark.parametrize(
    "option", [b"", b"\x09\x01", b"\x10", b"\x08kid", b"\x07\0\0\0\0\0\0\0", b"\xff", b"\x29\x01k"]
)
async def test_an_option_that_is_none_is_refused_without_a_context(house: House, option: bytes) -> None:
    for code in (POST, FETCH):
        request = Message(code=code, payload=b"x" * 20, _mtype=0, _mid=int(code), _token=b"t")
        request.opt.oscore = option
        assert (await said_again(house.port, request.encode())).code.dotted in {"4.01", "4.02"}
    assert house.sink.got == []


async def test_a_flood_under_a_wrong_key_takes_no_room_from_others(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coap_wire, "MAX_REMEMBERED", 3)
    async with band(house.port, tmp_path / "thief", key="a guess") as thief:
        for _ in range(10):
            with pytest.raises(Exception, match="No Object-Security"):
                await thief.post()
    async with band(house.port, tmp_path / "flash") as one:
        assert await one.post() == "2.04"
    assert house.transport.counts["4.00 wrong key"] == 10
    assert house.transport.counts["requests forgotten early"] == 0
