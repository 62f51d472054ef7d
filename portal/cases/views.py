"""The pages of cases: guides, forms, my cases, one case with its timeline, the staff's queue."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, session, url_for

from portal import media
from portal.cases import intake, queries
from portal.cases.access import is_reporter_of, is_staff_of, sees, sees_all
from portal.cases.forms import case_form, step_form
from portal.cases.models import Case
from portal.cases.services import Service, services
from portal.cases.words import ICONS, PILLS, done_words, level_words, state_words, step_words
from portal.cases.workflow import ENDS, SIDE, Action, State, actions
from portal.db import db
from portal.fields import Filled
from portal.i18n import gettext, say
from portal.policy import ANYONE, SIGNED_IN, WATCHERS, Viewer, declare, only
from portal.security import limiter, viewer
from portal.words import fill, local, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("cases", __name__, template_folder="templates")
REPORT = "snapshot"
LOOK_UP_LIMIT = "10 per minute; 60 per hour"
LOOKED_UP = "looked_up"
LOOKED_UP_KEPT = 5
LAST_PAGE = 500

for _filter in (state_words, done_words, step_words, level_words):
    blueprint.app_template_filter()(_filter)


@blueprint.app_context_processor
def _pictures_of_words() -> dict[str, Any]:
    return {"case_pills": PILLS, "case_icons": ICONS, "service_of": services().get, "case_title": title}


def title(case: Case) -> str:
    """Give what a case is about in a few words: what was chosen first, and where."""
    service = services().get(case.service)
    if service is None:
        return case.number
    first = next((field for field in service.fields if field.kind == "cards"), None)
    picked = case.answers.get(first.name) if first else None
    about = (
        next((choice.label for choice in first.choices if choice.value == picked), None) if first else None
    )
    words = say(about or service.title)
    return f"{words} · {case.place}" if case.place else words


# --------------------------------------------------------------------------- services


@blueprint.get("/services/", endpoint="services")
@declare(ANYONE)
def services_list() -> str:
    """Every service, and the way to one's own cases."""
    return render_template("cases/services.html", services=services())


@blueprint.get("/services/<name>/")
@declare(ANYONE)
def service(name: str) -> str:
    """One service: what to bring, where, when; and the button that applies."""
    found = services().get(name) or abort(HTTPStatus.NOT_FOUND)
    return render_template("cases/service.html", name=name, service=found)


@blueprint.get("/report")
@declare(SIGNED_IN)
def report() -> ResponseReturnValue:
    """Report a problem: the short address of the resident report."""
    return redirect(url_for("cases.apply", name=REPORT))


@blueprint.route("/services/<name>/apply", methods=["GET", "POST"])
@declare(SIGNED_IN)
def apply(name: str) -> ResponseReturnValue:
    """Fill a service's form in; a good one becomes a case with a number and a look-up code."""
    found = services().get(name)
    if found is None or found.kind == "guide":
        abort(HTTPStatus.NOT_FOUND)
    me = viewer()
    for_other = bool(me.roles & WATCHERS) and request.values.get("for") == "other"
    fields = case_form(found, map_dir=_map_dir(), for_other=for_other)
    form, photos = Filled(), intake.Photos()
    if request.method == "POST":
        form = fill(fields, request.form.to_dict(flat=False))
        photos = intake.take_photos(fields, form)
        if not form.errors:
            return _open(name, found, form, photos, for_other=for_other)
        db.session.commit()
    elif not for_other:
        form.raw.update(contact_name=me.name, contact_phone=_national(me))
    page = render_template(
        "cases/apply.html",
        name=name,
        service=found,
        fields=fields,
        form=form,
        kept=photos.kept,
        for_other=for_other,
        staff=bool(me.roles & WATCHERS),
        has_map="care.map_style" in current_app.view_functions,
    )
    return page, (HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK)


# --------------------------------------------------------------------------- my cases


@blueprint.get("/cases/")
@declare(SIGNED_IN)
def mine() -> str:
    """The reader's own cases."""
    cases = queries.mine(db.session, reporter=viewer().user or 0)
    return render_template("cases/mine.html", cases=cases)


@blueprint.route("/cases/look-up", methods=["GET", "POST"])
@declare(ANYONE)
@limiter.limit(LOOK_UP_LIMIT, methods=["POST"])
def look_up() -> ResponseReturnValue:
    """Find a case by its number and the look-up code of the receipt; no account needed."""
    wrong = False
    if request.method == "POST":
        case = queries.by_number(db.session, request.form.get("number", ""))
        code = request.form.get("code", "")
        if case is not None and queries.hash_code(code, number=case.number, key=_key()) == case.code_hash:
            session[LOOKED_UP] = [*_looked_up(), case.number][-LOOKED_UP_KEPT:]
            return redirect(url_for("cases.case", number=case.number))
        wrong = True
    page = render_template("cases/look_up.html", wrong=wrong, number=request.form.get("number", ""))
    return page, (HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK)


@blueprint.get("/cases/<number>/")
@declare(ANYONE)
def case(number: str) -> ResponseReturnValue:
    """One case with its timeline, and what this reader can do with it."""
    return _case_page(_visible(number), None, Filled())


@blueprint.get("/cases/<number>/receipt")
@declare(SIGNED_IN)
def receipt(number: str) -> ResponseReturnValue:
    """What to keep after sending: number and look-up code, shown once."""
    found = _visible(number)
    code = session.pop(f"code:{found.number}", "")
    if not code:
        return redirect(url_for("cases.case", number=found.number))
    return render_template("cases/receipt.html", case=found, service=services()[found.service], code=code)


@blueprint.post("/cases/<number>/<step>")
@declare(ANYONE)
def act(number: str, step: str) -> ResponseReturnValue:
    """Take a step with a case; who may is the table's and the side's business."""
    found = _visible(number)
    side = "staff" if is_staff_of(found, viewer()) else "reporter" if is_reporter_of(found, viewer()) else ""
    if step not in set(Action) or SIDE[Action(step)] != side:
        abort(HTTPStatus.NOT_FOUND)
    action, service_ = Action(step), services()[found.service]
    fields = step_form(action, photo=_takes_photos(action))
    form = fill(fields, request.form.to_dict(flat=False))
    photos = intake.take_photos(fields, form)
    if action is Action.FINISH and service_.photo_to_finish and not photos.kept and not form.errors:
        form.errors["photos"] = gettext("办结要附一张处理后的照片。")
    if form.errors:
        db.session.commit()
        return _case_page(found, action, form, photos), HTTPStatus.UNPROCESSABLE_ENTITY
    said = {name: str(value) for name, value in form.values.items()}
    try:
        event = queries.act(
            db.session,
            found,
            action=action,
            side=SIDE[action],
            viewer=viewer(),
            service=service_,
            now=now(),
            note=said.get("note", ""),
            level=said.get("level", ""),
            handler=said.get("handler", ""),
            rating=int(said["rating"]) if "rating" in said else None,
        )
    except queries.Refused as refused:
        flash(
            gettext("这件事现在是“%(state)s”，不能这样操作。页面已刷新。", state=state_words(refused.state)),
            "warning",
        )
        return redirect(url_for("cases.case", number=found.number))
    intake.attach(photos.kept, kind="case", subject=found.id, purpose=f"event-{event.id}")
    db.session.commit()
    flash(gettext("已记录：%(what)s。", what=done_words(action)), "good")
    return redirect(url_for("cases.case", number=found.number))


@blueprint.post("/cases/<number>/public")
@declare(only(*WATCHERS))
def publish(number: str) -> ResponseReturnValue:
    """Show a report to the community, without its reporter; or take it back."""
    found = _visible(number)
    if not is_staff_of(found, viewer()) or services()[found.service].kind != "report":
        abort(HTTPStatus.NOT_FOUND)
    found.public = request.form.get("public") == "1"
    db.session.commit()
    flash(gettext("已公开，不显示报告人。") if found.public else gettext("已改为不公开。"), "good")
    return redirect(url_for("cases.case", number=found.number))


# --------------------------------------------------------------------------- the staff


@blueprint.get("/desk/cases/")
@declare(only(*WATCHERS))
def desk() -> str:
    """The staff's queue: what is due first stands first."""
    which = request.args.get("which", "open")
    which = which if which in queries.FILTERS else "open"
    page = min(max(request.args.get("page", 1, type=int), 1), LAST_PAGE)
    here = viewer().community
    cases, more = queries.queue(db.session, community=here, which=which, now=now(), page=page)
    counts = queries.queue_counts(db.session, community=here, now=now())
    return render_template(
        "cases/desk.html",
        cases=cases,
        more=more,
        page=page,
        which=which,
        counts=counts,
        filters=queries.FILTERS,
    )


def changed(limit: int) -> list[Case]:
    """Give the reader's cases that changed last, for the front page; nothing for a passer-by."""
    reader = viewer().user
    return queries.mine(db.session, reporter=reader, limit=limit) if reader is not None else []


# --------------------------------------------------------------------------- steps


def _map_dir() -> str:
    return str(current_app.config["PORTAL"].map_dir)


def _key() -> str:
    return str(current_app.config["SECRET_KEY"])


def _national(me: Viewer) -> str:
    return me.phone.removeprefix("+86")


def _looked_up() -> list[str]:
    return [str(number) for number in session.get(LOOKED_UP, [])]


def _takes_photos(action: Action) -> bool:
    return action in {Action.REPLY, Action.FINISH, Action.ANSWER, Action.REOPEN}


def _visible(number: str) -> Case:
    found = queries.by_number(db.session, number)
    if found is None or found.service not in services():
        abort(HTTPStatus.NOT_FOUND)
    if not sees(found, viewer(), looked_up=_looked_up()):
        abort(HTTPStatus.NOT_FOUND)
    return found


def _open(
    name: str, service_: Service, form: Filled, photos: intake.Photos, *, for_other: bool
) -> ResponseReturnValue:
    values = {key: value for key, value in form.values.items() if not key.startswith("contact_")}
    opened, code = queries.open_case(
        db.session,
        name=name,
        service=service_,
        community=viewer().community or str(current_app.config["PORTAL"].community),
        viewer=viewer(),
        for_other=for_other,
        contact=(str(form.values["contact_name"]), str(form.values["contact_phone"])),
        values=values,
        place=intake.place_of(form),
        key=_key(),
        now=now(),
        day=local(now()).date(),
    )
    intake.attach(photos.kept, kind="case", subject=opened.id, purpose="before")
    db.session.commit()
    session[f"code:{opened.number}"] = code
    return redirect(url_for("cases.receipt", number=opened.number))


def _case_page(found: Case, step: Action | None, form: Filled, photos: intake.Photos | None = None) -> str:
    looking = viewer()
    whole = sees_all(found, looking, looked_up=_looked_up())
    side = "staff" if is_staff_of(found, looking) else "reporter" if is_reporter_of(found, looking) else ""
    possible = actions(State(found.state), side) if side in {"staff", "reporter"} else ()  # type: ignore[arg-type]  # checked here
    pictures = media.of_subjects(db.session, "case", [found.id]).get(found.id, [])
    by_purpose: dict[str, list[media.Media]] = {}
    for picture in pictures:
        by_purpose.setdefault(picture.purpose, []).append(picture)
    service_ = services()[found.service]
    return render_template(
        "cases/case.html",
        case=found,
        service=service_,
        whole=whole,
        side=side,
        events=queries.events(db.session, found.id),
        pictures=by_purpose,
        answers=_answers(service_, found) if whole else [],
        steps=[(action, step_form(action, photo=_takes_photos(action))) for action in possible],
        open_step=step,
        form=form,
        blank=Filled(),
        kept=photos.kept if photos else [],
        overdue=found.due_at is not None and found.due_at < now() and State(found.state) not in ENDS,
    )


def _answers(service_: Service, found: Case) -> list[tuple[str, str]]:
    """Give the answers of a case as (question, answer) in words; an identity number keeps six signs."""
    said: list[tuple[str, str]] = []
    for field in service_.fields:
        answer = found.answers.get(field.name)
        if not answer or field.kind == "spot":
            continue
        labels = {choice.value: say(choice.label) for choice in field.choices}
        picked = answer if isinstance(answer, list) else [answer]
        words = "、".join(labels.get(str(value), str(value)) for value in picked)
        if field.kind == "id_number":
            words = f"{words[:3]}{'*' * 12}{words[-3:]}"
        said.append((say(field.label), words))
    return said


def _may_see_picture(looking: Viewer, case_id: int) -> bool:
    found = db.session.get(Case, case_id)
    return found is not None and sees(found, looking, looked_up=_looked_up())


media.guard("case", _may_see_picture)
