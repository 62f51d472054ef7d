"""The telephone carrier's callbacks: signed, handed to the gateway, and answered with the truth."""

from __future__ import annotations

import threading
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from twilio.request_validator import RequestValidator

from gateway.told import CommandDone
from portal.api import telephone

PUBLIC = "http://portal.example:18088"
LEG = "inc1.1.li-jianguo.call.1"


class Twilio:
    """The carrier: signs what it sends as its own library does."""

    def __init__(self, app, token: str) -> None:
        self.client = app.test_client()
        self.validator = RequestValidator(token)

    def post(self, path: str, **form: str):
        signature = self.validator.compute_signature(PUBLIC + path, form)
        return self.client.post(path, data=form, headers={"X-Twilio-Signature": signature})


@pytest.fixture
def twilio(app, samples):
    return Twilio(app, samples.TWILIO_TOKEN)


@pytest.fixture
def no_wait(monkeypatch):
    monkeypatch.setattr(telephone, "CONFIRM_WAIT_S", 0.0)


def test_a_key_reaches_the_gateway_with_leg_digit_and_call(twilio, gateway, no_wait):
    answer = twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits="1", CallSid="CA1")
    assert answer.status_code == 200
    assert answer.mimetype == "application/xml"
    (command,) = gateway.commands()
    assert (command["name"], command["leg"], command["digit"], command["carrier_ref"]) == (
        "key_pressed",
        LEG,
        "1",
        "CA1",
    )
    assert "正在转达" in answer.text, "not confirmed yet, so not said to be"


def test_the_caller_hears_confirmed_only_when_the_gateway_said_so(app, twilio, gateway, monkeypatch):
    monkeypatch.setattr(telephone, "CONFIRM_WAIT_S", 20.0)

    def confirm() -> None:
        (command,) = gateway.commands(wait_s=20)
        gateway.send(CommandDone(command=command["command"], done=True))

    waiting = threading.Thread(target=confirm)
    waiting.start()
    answer = twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits="1", CallSid="CA1")
    waiting.join()
    assert 'language="zh-CN"' in answer.text
    assert "已确认" in answer.text


def test_a_call_that_came_too_late_hears_that_somebody_else_is_on_it(twilio, gateway, no_wait):
    path = f"/twilio/gw-xinhe-1/voice/{LEG}"
    twilio.post(path, Digits="1", CallSid="CA1")
    (command,) = gateway.commands()
    gateway.send(CommandDone(command=command["command"], done=False, reason="resolved"))
    assert "已经有人在处理" in twilio.post(path, Digits="1", CallSid="CA1").text


def test_the_same_callback_twice_is_one_command(twilio, gateway, no_wait):
    for _ in range(3):
        twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits="1", CallSid="CA1")
        twilio.post(
            f"/twilio/gw-xinhe-1/status/{LEG}", CallStatus="completed", CallSid="CA1", SequenceNumber="3"
        )
    assert [row["name"] for row in gateway.commands()] == ["key_pressed", "leg_status"]


def test_key_2_is_passed_on_and_the_next_is_called(twilio, gateway, no_wait):
    answer = twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits="2", CallSid="CA1")
    assert gateway.commands()[0]["digit"] == "2"
    assert "继续联系其他人" in answer.text


@pytest.mark.parametrize("digits", ["", "7", "11", "*"])
def test_any_other_key_is_asked_again_and_orders_nothing(twilio, gateway, digits):
    answer = twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits=digits, CallSid="CA1")
    assert f'action="{PUBLIC}/twilio/gw-xinhe-1/voice/{LEG}"' in answer.text
    assert "<Gather" in answer.text
    assert gateway.commands() == []


def test_key_3_takes_it_and_tells_of_the_bands_call(twilio, gateway, monkeypatch):
    monkeypatch.setattr(telephone, "CONFIRM_WAIT_S", 20.0)

    def confirm() -> None:
        (command,) = gateway.commands(wait_s=20)
        gateway.send(CommandDone(command=command["command"], done=True))

    waiting = threading.Thread(target=confirm)
    waiting.start()
    answer = twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits="3", CallSid="CA1")
    waiting.join()
    assert "好的，已由您处理。手环若能拨号，稍后会打给您" in answer.text


@pytest.mark.parametrize(
    ("digits", "words"),
    [("1", "being passed on"), ("2", "go on calling the others"), ("9", "Press 1 to take it")],
)
def test_who_was_called_in_english_is_answered_in_english(twilio, gateway, no_wait, digits, words):
    answer = twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}?lang=en", Digits=digits, CallSid="CA1")
    assert words in answer.text
    assert 'language="en-US"' in answer.text


def test_asked_again_in_english_the_answer_comes_in_english_too(twilio, gateway):
    answer = twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}?lang=en", Digits="9", CallSid="CA1")
    assert f'action="{PUBLIC}/twilio/gw-xinhe-1/voice/{LEG}?lang=en"' in answer.text


@pytest.mark.parametrize(
    ("form", "passed_on"),
    [
        ({"AnsweredBy": "machine_start"}, ["machine_start"]),
        ({"AnsweredBy": "fax", "CallStatus": "in-progress"}, ["fax"]),
        ({"AnsweredBy": "machine_start", "CallStatus": "completed"}, ["machine_start"]),
        ({"AnsweredBy": "machine_start", "CallStatus": "no-answer"}, ["no-answer"]),
        ({"AnsweredBy": "human", "CallStatus": "completed"}, ["completed"]),
        ({"AnsweredBy": "unknown"}, []),
        ({"AnsweredBy": "human"}, []),
    ],
)
def test_a_machine_is_passed_on_as_a_hint_and_nothing_else_is(twilio, gateway, form, passed_on):
    answer = twilio.post(f"/twilio/gw-xinhe-1/status/{LEG}", CallSid="CA1", **form)
    assert answer.status_code == 204
    assert [command["status"] for command in gateway.commands()] == passed_on


def test_a_1_pressed_where_a_machine_was_guessed_is_passed_on(twilio, gateway, no_wait):
    twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits="1", CallSid="CA1", AnsweredBy="machine_start")
    (command,) = gateway.commands()
    assert (command["name"], command["digit"]) == ("key_pressed", "1")


def test_a_1_in_a_leg_nobody_here_knows_is_passed_on(twilio, gateway, no_wait):
    answer = twilio.post("/twilio/gw-xinhe-1/voice/gone.9.nobody.call.3", Digits="1", CallSid="CA9")
    assert answer.status_code == 200
    assert gateway.commands()[0]["leg"] == "gone.9.nobody.call.3"


def test_every_callback_of_a_call_doubled_and_reordered_is_one_order_each(twilio, gateway):
    steps = list(enumerate(["initiated", "ringing", "in-progress", "completed"]))
    for sequence, status in [*reversed(steps), *steps]:
        form = {"CallStatus": status, "CallSid": "CA1", "SequenceNumber": str(sequence)}
        twilio.post(f"/twilio/gw-xinhe-1/status/{LEG}", **form)
    orders = [(command["sequence"], command["status"]) for command in gateway.commands()]
    assert orders == list(reversed(steps))


def test_the_status_of_a_call_reaches_the_gateway_with_its_order(twilio, gateway):
    path = f"/twilio/gw-xinhe-1/status/{LEG}"
    assert twilio.post(path, CallStatus="no-answer", CallSid="CA1", SequenceNumber="2").status_code == 204
    (command,) = gateway.commands()
    assert (command["status"], command["sequence"], command["carrier_ref"]) == ("no-answer", 2, "CA1")


def test_the_status_of_a_text_reaches_the_gateway(twilio, gateway):
    path = "/twilio/gw-xinhe-1/status/inc1.1.li-jianguo.text.1"
    assert twilio.post(path, MessageStatus="delivered", MessageSid="SM1").status_code == 204
    (command,) = gateway.commands()
    assert (command["status"], command["carrier_ref"], "sequence" in command) == ("delivered", "SM1", False)


def test_a_status_without_a_status_is_told_400(twilio):
    assert twilio.post(f"/twilio/gw-xinhe-1/status/{LEG}", CallSid="CA1").status_code == 400


@pytest.mark.parametrize("door", ["voice", "status"])
def test_what_the_carrier_did_not_sign_is_refused(client, gateway, samples, door):
    path = f"/twilio/gw-xinhe-1/{door}/{LEG}"
    form = {"Digits": "1", "CallStatus": "completed", "CallSid": "CA1"}
    right = RequestValidator(samples.TWILIO_TOKEN).compute_signature(PUBLIC + path, form)
    wrong_key = RequestValidator("another token").compute_signature(PUBLIC + path, form)
    wrong_leg = RequestValidator(samples.TWILIO_TOKEN).compute_signature(PUBLIC + path + "2", form)
    for signature in ("", wrong_key, wrong_leg):
        assert client.post(path, data=form, headers={"X-Twilio-Signature": signature}).status_code == 403
    changed = {**form, "Digits": "2"}
    assert client.post(path, data=changed, headers={"X-Twilio-Signature": right}).status_code == 403
    assert gateway.commands() == []


def test_while_the_token_is_changed_both_sign_and_afterwards_only_the_new_one(app, gateway, samples):
    path, form = f"/twilio/gw-xinhe-1/status/{LEG}", {"CallStatus": "completed", "CallSid": "CA1"}
    old, new = samples.TWILIO_TOKEN, "the-next-token"
    settings = app.config["PORTAL"]

    def answers() -> list[int]:
        return [Twilio(app, token).post(path, **form).status_code for token in (old, new, "another")]

    app.config["PORTAL"] = replace(settings, twilio_auth_token=new, twilio_previous_auth_token=old)
    assert answers() == [204, 204, 403]
    app.config["PORTAL"] = replace(settings, twilio_auth_token=new)
    assert answers() == [403, 204, 403]
    app.config["PORTAL"] = replace(settings, twilio_auth_token="")
    assert answers() == [403, 403, 403], "without a token nobody can sign"
    empty = RequestValidator("").compute_signature(PUBLIC + path, form)
    answer = app.test_client().post(path, data=form, headers={"X-Twilio-Signature": empty})
    assert answer.status_code == 403, "and an empty one is no token"


def test_a_leg_with_letters_of_any_alphabet_is_signed_as_its_address_is_written(twilio, gateway):
    path = "/twilio/gw-xinhe-1/status/" + quote("inc1.1.李建国.call.1", safe="")
    assert twilio.post(path, CallStatus="completed", CallSid="CA1").status_code == 204
    assert gateway.commands()[0]["leg"] == "inc1.1.李建国.call.1"


def test_a_body_no_callback_has_is_refused_before_it_is_read(app, gateway):
    answer = app.test_client().post(
        f"/twilio/gw-xinhe-1/voice/{LEG}", data={"Digits": "1", "Junk": "x" * telephone.MAX_FORM_BYTES}
    )
    assert answer.status_code == 413
    assert gateway.commands() == []


def test_a_gateway_that_is_not_ours_is_not_found(twilio):
    assert twilio.post(f"/twilio/gw-nobody/voice/{LEG}", Digits="1", CallSid="CA1").status_code == 404


def test_a_texted_1_reaches_the_gateway_with_its_sender_and_is_answered(twilio, gateway, no_wait):
    answer = twilio.post("/twilio/gw-xinhe-1/text", From="+8613800138002", Body=" 1\n", MessageSid="SM1")
    assert answer.status_code == 200
    (command,) = gateway.commands()
    assert (command["name"], command["leg"], command["digit"]) == ("key_pressed", "from:+8613800138002", "1")
    assert "<Message>" in answer.text


def test_a_text_that_is_no_key_is_left_alone(twilio, gateway, no_wait):
    answer = twilio.post("/twilio/gw-xinhe-1/text", From="+8613800138002", Body="我马上到", MessageSid="SM2")
    assert answer.status_code == 200
    assert "<Message>" not in answer.text
    assert gateway.commands() == []


def test_a_text_that_twilio_did_not_sign_is_refused(app, gateway):
    answer = app.test_client().post("/twilio/gw-xinhe-1/text", data={"From": "+8613800138002", "Body": "1"})
    assert answer.status_code == 403


def test_a_gateway_that_has_seen_more_than_this_portal_gave_still_gets_its_commands(twilio, gateway, no_wait):
    """The portal was restored from a backup: its numbers are below those the gateway remembers."""
    twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits="1", CallSid="CA1")
    (command,) = gateway.commands(after=37)
    assert (command["number"], command["digit"]) == (38, "1")
    assert gateway.commands(after=38) == []
    twilio.post(f"/twilio/gw-xinhe-1/voice/{LEG}", Digits="2", CallSid="CA1")
    (command,) = gateway.commands(after=38)
    assert (command["number"], command["digit"]) == (39, "2")


def test_an_impossible_command_number_is_refused_in_words(app, gateway):
    for number in (-1, 10**30):
        answer = gateway.client.get(f"/api/gateway/v1/commands?after={number}", headers=gateway.headers)
        assert answer.status_code == 400
