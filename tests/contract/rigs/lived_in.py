"""A portal in which everything there is a page for has happened, and the people before its pages."""

from __future__ import annotations

import io
import re
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import sqlalchemy as sa
from flask_security import hash_password
from passlib.totp import TOTP

from gateway.model import Alarm, Battery, BloodPressure, Fix, HeartRate, Steps, Why
from gateway.told import AlarmRaised, CarrierHealth, GatewayHealth
from gateway.told_health import GatewayFigures, Modem
from gateway.told_orders import BandsTold, BandView
from portal import demo
from portal.care.models import Guardianship, Wearer
from portal.cases.models import Case
from portal.db import db, writing
from portal.people.models import Grant, Organisation, Passkey, Resident, Role, User
from portal.posts.models import Post

HOME, PARK = (31.15590, 121.10650), (31.15430, 121.10400)
STRANGER = "stranger"
INVITED = "invited"
TEXTED = "texted"
"""Asked for the code of a text while making an account."""
CHOOSING = "choosing"
"""Gave the password of an office, and is asked which second factor it shall be."""
HALFWAY = "halfway"
"""Chose the authenticator, and is asked for its digits."""
CLERK, CLERK_PASSWORD = "13912340001", "four-words-of-mine"
TABLE = (
    "姓名,身份证号码,住址,性别,出生日期,电话,标签,备注\n"
    "钱一,,4栋1单元101,女,1950-01-01,13800130001,独居,\n"
    "钱二,123,99栋1单元101,未知,1950-13-01,12,懒人,\n"
)
REPORT = {
    "category": "drain",
    "description": "下水道堵了。",
    "building": "12栋",
    "place": "3单元门口",
    "contact_name": "王秀英",
    "contact_phone": "13800138092",
}
BAND = BandView(
    device="band-zhang",
    wire_id="band-zhang",
    protocol="senml",
    wearer="zhang-guilan",
    state="active",
    key="set",
    source="store",
)
GUARDIANSHIP = {"named": "张桂兰", "home": "3 号楼 2 单元 401", "relation": "侄女", "basis": "appointed"}


def lived_in(app, gateway, people, samples) -> SimpleNamespace:
    """Let everything happen; gives the names it was given."""
    cared_for(gateway, samples, datetime.now(UTC))
    demo.fill_duty(app)
    ids = SimpleNamespace(**looked_for(people["staff"]), **invited(app, people, samples))
    with app.app_context():
        ids.post = db.session.scalar(sa.select(Post.id).order_by(Post.id).limit(1))
        zhang = db.session.scalar(sa.select(Wearer).where(Wearer.code == "zhang-guilan"))
        zhang.resident_id = db.session.scalar(sa.select(Resident.id).where(Resident.name == zhang.name))
        ids.resident = zhang.resident_id
        db.session.commit()
        ids.case = db.session.scalar(sa.select(Case.number).order_by(Case.id).limit(1))
        account = db.session.scalar(sa.select(User.id).where(User.phone == samples.PHONES["staff"]))
    staff = people["staff"]
    turn = {"person": f"u{account}", "day": f"{datetime.now(UTC):%Y-%m-%d}", "shift": "day", "place": "0"}
    staff.post("/care/duty/turns", token=staff.token("/me/"), weeks="1", **turn)
    rekey = "/care/devices/gw-xinhe-1/band-zhang/rekey"
    ids.order = staff.post(rekey, token=staff.token("/me/"), reason="没有抄下来").location
    ids.guardianship = guarded(app, people)
    form = {"csrf_token": staff.token("/me/"), "table": (io.BytesIO(TABLE.encode()), "居民.csv")}
    ids.table = staff.client.post("/register/import", data=form, content_type="multipart/form-data").location
    ids.receipt = people["resident"].post("/services/snapshot/apply", **REPORT).location
    assert people["guardian"].post("/me/phone", phone="139 8888 0001").location == "/me/phone/code"
    guarded_twice(app, samples)
    people[CHOOSING], people[HALFWAY] = (samples.Browser(app) for _ in range(2))
    for who in (CHOOSING, HALFWAY):
        answer = people[who].post("/login", phone=CLERK, password=CLERK_PASSWORD)
        assert answer.location.startswith("/login/second/choose"), answer.location
    choose = "/login/second/choose"
    answer = people[HALFWAY].post(choose, token=people[HALFWAY].token(choose), which="authenticator")
    assert answer.location.startswith("/login/second"), answer.text
    return ids


def cared_for(gateway, samples, now: datetime) -> None:
    """A day of both wearers, their care settings, an alarm, and incidents in every state."""
    gateway.send(samples.ROSTER, *day_of(samples, now), samples.profile_told(source="file", by=""))
    gateway.send(msgspec.structs.replace(samples.profile_told(2), at=now - timedelta(days=1)))
    left = Alarm(
        alarm_id="a1",
        wearer="zhang-guilan",
        kind="fence",
        severity="warning",
        why=Why(code="fence_exit", place="家和花园"),
        at=now - timedelta(hours=2),
        lat=PARK[0],
        lon=PARK[1],
    )
    gateway.send(AlarmRaised(alarm=left, incident=None), BandsTold(bands=(BAND,)))
    gateway.send(
        samples.incident("notifying", samples.leg(1, "text", "delivered"), samples.leg(1, "call", "ringing")),
        samples.incident("exhausted", incident_id="inc2", ref="QX3M", wearer="wang-deshun"),
        samples.incident("resolved", incident_id="inc3", ref="B2B2", resolved_by="李晓梅", note="平安"),
        samples.telemetry(Battery(battery_pct=8), wearer="wang-deshun"),
        health_of_the_gateway(now),
    )


def health_of_the_gateway(now: datetime) -> GatewayHealth:
    """A gateway whose disk is nearly full, and that cannot reach one carrier."""
    figures = GatewayFigures(
        version="1.4.0",
        started_at=now - timedelta(hours=30),
        journal_mb=12.0,
        disk_free_mb=300.0,
        clock="synchronised",
        modem=Modem(operator="中国移动", signal_dbm=-71),
    )
    ways = (
        CarrierHealth(carrier="gsm_modem", healthy=True),
        CarrierHealth(carrier="twilio", healthy=False, detail="no answer for 5 s", since=now),
    )
    return GatewayHealth(carriers=ways, figures=figures)


def day_of(samples, now: datetime):
    """A day of both wearers, a fix every ten minutes, with a way to the park and back."""
    for wearer in ("zhang-guilan", "wang-deshun"):
        for ago in range(6 * 24, -1, -1):
            share = max(0.0, 1 - abs(ago - 20) / 6)
            lat, lon = (home + share * (park - home) for home, park in zip(HOME, PARK, strict=True))
            readings = [
                Fix(lat=lat, lon=lon, valid=True, accuracy_m=9.0, source="gnss"),
                HeartRate(heart_rate_bpm=66 + ago * 7 % 23),
                Steps(steps=(144 - ago) * 20),
            ]
            if ago % 12 == 0:
                readings.append(BloodPressure(systolic_mmhg=128 + ago % 30, diastolic_mmhg=80))
            told = samples.telemetry(*readings, wearer=wearer)
            yield msgspec.structs.replace(told, received_at=now - timedelta(minutes=10 * ago))


def looked_for(staff) -> dict[str, str]:
    """王德顺 is looked for, and volunteers have a link."""
    search = "/care/wearers/2/lost"
    staff.post(
        search, token=staff.token("/me/"), called="王爷爷", description="灰色外套", phone="13800138090"
    )
    staff.post(f"{search}/links", token=staff.token("/me/"), purpose="志愿者", hours="2")
    return {"share": staff.get(search).text.split("/s/", 1)[1].split('"', 1)[0].split("<", 1)[0].strip()}


def invited(app, people, samples) -> dict[str, object]:
    """A poster hangs in the stairs; one followed it, and another gave their number too."""
    staff = people["staff"]
    with app.app_context():
        place = db.session.scalar(sa.select(Organisation.id).where(Organisation.kind == "community"))
    made = staff.post("/invitations/", token=staff.token("/me/"), what="home", place=place, uses=50, days=14)
    door = "/join/" + staff.get(made.location).text.split("/join/", 1)[1].split("<", 1)[0].strip()
    for who in (INVITED, TEXTED):
        people[who] = samples.Browser(app)
        assert people[who].post(f"{door}/begin").location == "/join/number"
    sent = people[TEXTED].post("/join/number", name="孙新", phone="13800139009")
    assert sent.location == "/join/code"
    return {"place": place, "poster": made.location, "door": door}


def guarded(app, people) -> int:
    """One guardian is confirmed, one objected to, one asks; gives the first."""
    staff, wearer = people["staff"], people["wearer"]
    for claim, who in enumerate(("property", "volunteer", "owners"), start=1):
        asked = people[who].post(
            "/care/guardians/claim", **GUARDIANSHIP, decides="yes", proof="指定监护人文书 2026-11"
        )
        assert asked.status_code == 302, asked.text
        if who != "owners":
            staff.post(f"/care/guardians/claims/{claim}/confirm", token=staff.token("/me/"), wearer="1")
    with app.app_context():
        first, second = db.session.scalars(sa.select(Guardianship.id).order_by(Guardianship.id)).all()
    page = f"/care/guardians/{second}/object"
    assert wearer.post(page, token=wearer.token("/me/"), reason="我不认识他").status_code == 302
    return first


def guarded_twice(app, samples) -> None:
    """A clerk sets up an authenticator, a passkey and recovery codes."""
    with app.app_context(), writing() as session:
        place = session.scalars(sa.select(Organisation).where(Organisation.kind == "committee")).one()
        role = session.scalars(sa.select(Role).where(Role.name == "staff")).one()
        clerk = User(phone="+86" + CLERK, name="方芳", password=hash_password(CLERK_PASSWORD), active=True)
        clerk.fs_uniquifier = uuid.uuid4().hex
        clerk.grants = [Grant(role=role, organisation=place)]
        session.add(clerk)
    first = samples.Browser(app).sign_in(CLERK, CLERK_PASSWORD)
    token = first.token("/me/second-factor")
    page = first.post("/me/second-factor", token=token, setup="authenticator").text
    key = re.search(r'class="key">([^<]+)<', page).group(1)
    digits = TOTP(key=key.replace(" ", "")).generate(time=app.config["NOW"]()).token
    assert first.post("/login/second", token=token, code=digits).location == "/me/recovery-codes"
    first.post("/me/recovery-codes", token=first.token("/me/recovery-codes"), generate_new_codes="y")
    with app.app_context(), writing() as session:
        clerk = session.scalars(sa.select(User).where(User.phone == "+86" + CLERK)).one()
        clerk.fs_webauthn_user_handle = uuid.uuid4().hex
        clerk.webauthn.append(
            Passkey(
                credential_id=b"a key that signs nothing",
                public_key=b"nor is it asked to",
                backup_state=False,
                device_type="single_device",
                lastuse_datetime=datetime.now(UTC),
                name="值班电脑",
                usage="secondary",
            )
        )
