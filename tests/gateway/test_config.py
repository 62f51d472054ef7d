"""The installer's file: everything wrong is said at once, with path, value and what was expected."""

from __future__ import annotations

import pytest

from gateway.clock import SystemClock
from gateway.config import load
from gateway.errors import ConfigError
from gateway.plugins import make_codec
from gateway.roster import People
from geofence.datum import to_wgs84
from shouwang import main


def problems_of(path) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return {problem.path: problem.expected for problem in caught.value.problems}


def test_the_shipped_configuration_is_valid(root):
    settings = load(root / "config.toml")
    assert settings.mode == "demo"
    assert len(settings.wearers) == 6


def test_a_small_configuration_is_valid_and_gets_defaults(small_config):
    settings = load(small_config())
    assert settings.journal.group_commit_ms == 5
    assert settings.sos.settle_s == 16


def test_six_mistakes_are_all_listed(small_config):
    path = small_config(
        ('carriers = ["twilio"]', 'carriers = ["twilio", "pigeon"]'),
        ('from_number = "+15005550006"', "from_number = 5"),
        ("+8613800138001", "110"),
        ("radius_m = 100", 'radius_m = "wide"'),
        ('community = "xinhe"', 'comunity = "xinhe"'),
        more="""
        [rules.vitals]
        heart_rate_high_bpm = "fast"
        """,
    )
    assert set(problems_of(path)) >= {
        "sos.carriers",
        "carriers.twilio.from_number",
        "wearers.zhang.contacts.son.phone",
        "wearers[1].fences[0].radius_m",
        "site.comunity",
        "site.community",
        "rules.vitals.heart_rate_high_bpm",
    }


def test_check_prints_every_problem_and_exits_2(small_config, capsys):
    path = small_config(('community = "xinhe"', 'comunity = "xinhe"'), ("+8613800138001", "119"))
    with pytest.raises(SystemExit) as exit_:
        main(["check", str(path)])
    assert exit_.value.code == 2
    printed = capsys.readouterr().err
    assert "site.comunity = 'xinhe': expected no such key" in printed
    assert "site.community = (missing): expected text" in printed
    assert "wearers.zhang.contacts.son.phone = '119'" in printed


def test_a_secret_that_stands_in_the_file_is_refused_and_not_shown(small_config):
    path = small_config(('auth_token = { file = "var/secrets/twilio" }', 'auth_token = "hunter2"'))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [problem.path for problem in caught.value.problems] == ["carriers.twilio.auth_token"]
    assert "hunter2" not in str(caught.value)


def test_a_missing_secret_is_an_error_at_a_real_site(small_config):
    path = small_config(('mode = "demo"', 'mode = "live"'))
    assert "carriers.twilio.auth_token" in problems_of(path)


def test_a_secret_may_come_from_the_environment(small_config, monkeypatch):
    monkeypatch.setenv("TWILIO_TOKEN", "s3cret")
    path = small_config(('{ file = "var/secrets/twilio" }', '{ env = "TWILIO_TOKEN" }'))
    assert load(path).carriers["twilio"].auth_token == "s3cret"


def test_demo_secrets_are_made_once_random_and_private(small_config):
    path = small_config()
    first = load(path, make_demo_secrets=True).carriers["twilio"].auth_token
    assert len(first) > 30
    assert load(path, make_demo_secrets=True).carriers["twilio"].auth_token == first
    assert (path.parent / "var/secrets/twilio").stat().st_mode & 0o077 == 0


def test_demo_secrets_are_never_made_at_a_real_site(small_config):
    path = small_config(('mode = "demo"', 'mode = "live"'))
    with pytest.raises(ConfigError):
        load(path, make_demo_secrets=True)
    assert not (path.parent / "var").exists()


def test_two_wearers_or_two_bands_of_one_id_are_refused(small_config):
    path = small_config(('id = "wang"', 'id = "zhang"'), ('id = "4700186508"', 'id = "band-zhang"'))
    found = problems_of(path)
    assert {"wearers", "wearers[].devices"} <= set(found)


def test_a_wearers_own_limits_override_the_communitys(small_config):
    path = small_config(
        more="""
        [wearers.rules.vitals]
        systolic_high_mmhg = 150
        [rules.vitals]
        systolic_high_mmhg = 170
        heart_rate_high_bpm = 120
        """
    )
    settings = load(path)
    assert settings.wearer_rules["wang", "vitals"].systolic_high_mmhg == 150
    assert settings.wearer_rules["wang", "vitals"].heart_rate_high_bpm == 120
    assert settings.wearer_rules["zhang", "vitals"].systolic_high_mmhg == 170


def test_a_wrong_key_of_a_wearers_rule_is_found_at_the_wearer(small_config):
    path = small_config(
        more="""
        [wearers.rules.vitals]
        systolic_hihg_mmhg = 150
        """
    )
    assert "wearers[1].rules.vitals.systolic_hihg_mmhg" in problems_of(path)


def test_a_fence_that_crosses_itself_is_refused_in_words(small_config):
    crossing = "polygon = [[31.0, 121.0], [31.001, 121.001], [31.0, 121.001], [31.002, 121.0]]"
    path = small_config(("centre = [31.155, 121.105]\nradius_m = 100", crossing))
    assert "Self-intersection" in problems_of(path)["wearers.wang.fences.home"]


CIRCLE = "centre = [31.155, 121.105]\nradius_m = 100"


def test_a_walk_in_parts_from_a_chinese_map_is_read_and_converted(small_config):
    parts = """parts = [{ centre = [31.155, 121.105], radius_m = 100 },
        { line = [[31.155, 121.105], [31.157, 121.108]], half_width_m = 25 }]
        datum = "gcj02" """
    wearers = People(load(small_config((CIRCLE, parts)))).wearers
    (fence,) = wearers["wang"].fences
    home, walk = fence.parts
    assert home.centre == walk.line[0] == pytest.approx(to_wgs84(31.155, 121.105, datum="gcj02"))
    assert (home.radius_m, walk.half_width_m) == (100, 25)


@pytest.mark.parametrize(
    ("ground", "words"),
    [
        ("parts = [{ centre = [31.155, 121.105]}]", "part 1: a fence needs both of a centre and a radius_m"),
        ("line = [[31.1, 121.1], [31.1, 121.1]]\nhalf_width_m = 20", "at least 2 different corners, not 1"),
        (
            "polygon = [[0, 0], [0.1, 0], [0.1, 0.1]]\nholes = [[[0, 0.1], [0, 0.2], [0.1, 0.2]]]",
            "hole 1: it is not wholly inside the outer ring (see its corner 1)",
        ),
    ],
)
def test_ground_that_is_none_is_refused_with_its_ring_and_corner(small_config, ground, words):
    assert words in problems_of(small_config((CIRCLE, ground)))["wearers.wang.fences.home"]


def test_a_datum_nobody_knows_is_refused(small_config):
    told = problems_of(small_config((CIRCLE, CIRCLE + '\ndatum = "wgs72"')))
    assert "gcj02" in told["wearers[1].fences[0].datum"]


def test_a_file_that_is_not_toml_is_one_problem(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("mode = demo")
    assert list(problems_of(path)) == [str(path)]


def test_every_key_of_the_shipped_file_is_explained_in_both_languages(root):
    for line in (root / "config.toml").read_text(encoding="utf-8").splitlines():
        key, equals, rest = line.partition("=")
        if not equals or line.startswith((" ", "#", "[")):
            continue
        seen_before = key.strip() in {"id", "name", "birth_year", "home", "devices", "contacts"} or (
            key.strip() in {"centre", "radius_m", "systolic_high_mmhg"}
        )
        words = rest.partition("#")[2]
        assert seen_before or (
            words.isascii() is False and any(c.isascii() and c.isalpha() for c in words)
        ), line


def test_an_unknown_protocol_and_a_wrong_codec_table_of_a_port_are_found(small_config):
    path = small_config(
        more="""
        [transports.tcp]
        listeners = [
          { port = 5093, protocol = "wach" },
          { port = 5094, protocol = "watch", codec = { zone_hours = 8 } },
        ]
        """
    )
    assert set(problems_of(path)) == {
        "transports.tcp.listeners[0].protocol",
        "transports.tcp.listeners[1].codec.zone_hours",
    }


def test_a_codec_takes_the_table_its_port_gives_it():
    codec = make_codec("nmea", {"interval_s": 5.0}, SystemClock().now)
    assert codec.settings.interval_s == 5.0
    assert make_codec("nmea", None, SystemClock().now).settings.interval_s == 1.0


@pytest.mark.parametrize(("phone", "is_refused"), [("+8613900139000", True), ("+8613800138001", False)])
def test_one_id_for_two_telephones_of_an_incident_is_refused(small_config, phone, is_refused):
    staff = f"""
    [[staff]]
    id = "son"
    name = "值班"
    phone = "{phone}"
    """
    if is_refused:
        with pytest.raises(ConfigError, match="no other person"):
            load(small_config(more=staff))
    else:
        load(small_config(more=staff))


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[sos.plans.sos]\ncancel_window_s = -5", "cancel_window_s"),
        ("[sos.plans.sos]\nposition_text_interval_s = -1", "position_text_interval_s"),
        ("[sos.plans.sos]\nack_timeout_s = 100000000000000", "ack_timeout_s"),
        ("[sos.plans.sos]\ntexts = false\ncalls = false", "nobody is told"),
    ],
)
def test_a_plan_that_would_break_or_tell_nobody_is_refused(small_config, more, key):
    with pytest.raises(ConfigError, match=key):
        load(small_config(more=more + "\n"))


@pytest.mark.parametrize("line", ["max_commit_wait_ms = -1", "settle_s = -1", "settle_s = nan"])
def test_a_wait_that_would_undo_the_order_of_the_promise_is_refused(small_config, line):
    carriers = 'carriers = ["twilio"]'
    with pytest.raises(ConfigError, match=line.split()[0]):
        load(small_config((carriers, f"{carriers}\n{line}")))


def test_mqtt_on_the_network_without_tls_must_be_said_aloud(small_config):
    lines = '[transports.mqtt_listener]\nhost = "0.0.0.0"\n'
    problems = problems_of(small_config(more=lines))
    assert "keys and readings can then be read on the way" in problems["transports.mqtt_listener"]
    assert (
        load(small_config(more=lines + 'plain = "network"\n')).transports["mqtt_listener"].plain == "network"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "9" * 6000,
        "wearers = 3",
        "[[wearers]]\nid = [1]",
        "[[wearers]]\nid = { a = 1 }",
    ],
)
def test_what_nobody_would_write_is_wrong_like_anything_else(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load(path)
