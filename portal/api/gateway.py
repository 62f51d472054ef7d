"""The two doors for gateways: their rows in, our commands out (`gateway/model.py` has the schema)."""

from __future__ import annotations

import hmac
import threading
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from flask import Response, current_app, request

from gateway.told import CommandPage, PortalCommand, SyncAnswer, SyncBatch
from portal.api import commands
from portal.api.ingest import BatchError, store
from portal.care.models import GatewayLine
from portal.db import db, writing
from portal.settings import MAX_POLLS
from portal.words import now

if TYPE_CHECKING:
    from portal.stream import Bell

MAX_NUMBER = 2**53
"""The largest whole number every JSON reader keeps exactly (RFC 8259, section 6)."""
MAX_WAIT_S = 25.0
HEARD_EVERY = timedelta(seconds=20)
"""A gateway that only asks is alive too; noted at most so often."""

_decoder = msgspec.json.Decoder(SyncBatch)
_encoder = msgspec.json.Encoder()
_polls = threading.BoundedSemaphore(MAX_POLLS)


def authorised_gateway() -> str | None:
    """The gateway that presented its own token, None otherwise; compared in constant time."""
    name = request.headers.get("X-Gateway", "")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = current_app.config["PORTAL"].gateways.get(name)
    presented = token.strip().encode()
    if expected is None:
        hmac.compare_digest(presented, b"no such gateway")
        return None
    good = hmac.compare_digest(presented, expected.encode())
    return name if good and scheme.lower() == "bearer" and expected else None


def refuse() -> Response:
    """Answer somebody without a valid token."""
    return answer({"error": "unauthorised"}, HTTPStatus.UNAUTHORIZED)


def answer(body: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """An answer in JSON, written by msgspec."""
    return Response(_encoder.encode(body), status, mimetype="application/json")


def take_events(gateway: str) -> Response:
    """Store a batch; 200 with `SyncAnswer` after the commit, 400 with the reason for anything else."""
    try:
        batch = _decoder.decode(request.get_data(cache=False))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return answer({"error": str(error)}, HTTPStatus.BAD_REQUEST)
    if batch.gateway != gateway:
        return answer({"error": "the batch names another gateway"}, HTTPStatus.BAD_REQUEST)
    try:
        portal = current_app.config["PORTAL"]
        demo = portal.mode == "demo"
        outcome = store(db.session, batch, community=portal.community, now=now(), demo=demo)
    except BatchError as error:
        return answer({"error": str(error)}, HTTPStatus.BAD_REQUEST)
    db.session.commit()
    if outcome.fresh:
        ring()
    return answer(SyncAnswer(through_seq=outcome.through_seq))


def give_commands(gateway: str) -> Response:
    """Answer the commands above `after`, waiting up to `wait_s` for the first; 400 for a bad number.

    Asking with `after` acknowledges everything up to it: acknowledged commands are never given again.
    """
    try:
        asked = int(request.args.get("after", "0"))
        wait_s = min(float(request.args.get("wait_s", "0")), MAX_WAIT_S)
    except ValueError:
        return answer({"error": "after and wait_s are numbers"}, HTTPStatus.BAD_REQUEST)
    if not 0 <= asked <= MAX_NUMBER:
        return answer({"error": f"after is 0 to {MAX_NUMBER}"}, HTTPStatus.BAD_REQUEST)
    start = _acknowledge(gateway, asked)

    def look() -> tuple[PortalCommand, ...] | None:
        with db.sessionmaker() as session:
            return commands.after(session, gateway, start) or None

    waits = wait_s > 0 and _polls.acquire(blocking=False)
    try:
        found = commands.wait_for(look, bell(), timeout_s=wait_s if waits else 0.0)
    finally:
        if waits:
            _polls.release()
    return answer(CommandPage(commands=found or ()))


def bell() -> Bell:
    """The process's bell: rung after every commit that others may be waiting for."""
    found: Bell = current_app.extensions["bell"]
    return found


def ring() -> None:
    """Tell the waiters of this process that something was committed."""
    bell().ring()


def _acknowledge(gateway: str, asked: int) -> int:
    """Note how far the gateway has come and give the number to go on from."""
    query = sa.select(GatewayLine.acknowledged_command, GatewayLine.last_command, GatewayLine.heard_at)
    with db.sessionmaker() as session:
        known = session.execute(query.where(GatewayLine.gateway == gateway)).one_or_none()
    acknowledged, last, heard_at = (0, 0, None) if known is None else known
    if known is not None and (heard_at is None or now() - heard_at >= HEARD_EVERY):
        with writing() as session:
            session.execute(
                sa.update(GatewayLine).where(GatewayLine.gateway == gateway).values(heard_at=now())
            )
    if asked > last:
        with writing() as session:
            commands.number_on(session, gateway, above=asked)
        return asked
    reached = asked
    if reached <= acknowledged:
        return int(acknowledged)
    with writing() as session:
        session.execute(
            sa.update(GatewayLine)
            .where(GatewayLine.gateway == gateway, GatewayLine.acknowledged_command < reached)
            .values(acknowledged_command=reached)
        )
    return reached
