"""Who is admitted: the configuration's bands, and the store's over them."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from gateway.bands.allow_list import Known, StoredDevice, admitted
from gateway.bands.keys import derive
from gateway.bands.registry import Device, Registry

KNOWN = Known(wearers={"zhang", "wang"}, protocols={"senml", "watch"}, models={"a9": "watch"})
ZHANG = Device(device="band-1", protocol="senml", wearer="zhang", keys=derive("k1"))


def row(device: str, **changes) -> StoredDevice:
    plain = {"device": device, "wire_id": device, "protocol": "watch", "wearer": "wang", "changed_ms": 1}
    return StoredDevice(**plain | changes)


def names(found) -> list[str]:
    return [device.device for device in found.devices]


def test_bands_of_both_are_admitted():
    assert names(admitted([ZHANG], [row("band-2")], known=KNOWN)) == ["band-1", "band-2"]


def test_a_row_of_the_store_stands_for_its_identity_whatever_the_configuration_says():
    found = admitted([ZHANG], [row("band-1", wire_id="new", wearer="wang")], known=KNOWN)
    assert [(one.device, one.wire_id, one.wearer) for one in found.devices] == [("band-1", "new", "wang")]


def test_a_revoked_band_of_the_configuration_is_not_admitted():
    assert names(admitted([ZHANG], [row("band-1", state="revoked")], known=KNOWN)) == []


def test_a_row_that_leads_nowhere_is_left_out_and_named_and_the_others_hold():
    rows = [
        row("no-wearer", wearer="nobody"),
        row("no-protocol", protocol="morse"),
        row("no-model", model="b1"),
        row("right", model="a9"),
    ]
    found = admitted([], rows, known=KNOWN)
    assert names(found) == ["right"]
    assert [problem.partition(":")[0] for problem in found.problems] == [
        "no-model",
        "no-protocol",
        "no-wearer",
    ]


def test_a_band_whose_new_row_cannot_be_goes_on_as_it_was():
    before = admitted([], [row("band-2")], known=KNOWN).devices
    found = admitted([], [row("band-2", wearer="nobody")], known=KNOWN, before=before)
    assert (found.devices, len(found.problems)) == (before, 1)


def test_a_band_that_was_revoked_never_goes_on():
    before = admitted([], [row("band-2")], known=KNOWN).devices
    assert names(admitted([], [row("band-2", state="revoked")], known=KNOWN, before=before)) == []


def test_one_wire_id_is_one_band():
    found = admitted([ZHANG], [row("other", wire_id="band-1")], known=KNOWN)
    assert names(found) == ["band-1"]
    assert "band-1 has its wire id" in found.problems[0]


IDS = st.text(string.ascii_lowercase[:4], min_size=1, max_size=2)
ROWS = st.lists(
    st.builds(
        StoredDevice,
        device=IDS,
        wire_id=IDS,
        protocol=st.sampled_from(["senml", "watch", "morse"]),
        wearer=st.sampled_from(["zhang", "wang", "nobody"]),
        model=st.sampled_from(["", "a9"]),
        state=st.sampled_from(["active", "revoked"]),
        changed_ms=st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda one: one.device,
)


@given(rows=ROWS, earlier=ROWS)
def test_whatever_stands_in_the_store_the_list_holds_together(rows, earlier):
    before = admitted([ZHANG], earlier, known=KNOWN).devices
    found = admitted([ZHANG], rows, known=KNOWN, before=before)
    assert len({one.wire_id for one in found.devices}) == len(found.devices)
    assert len({one.device for one in found.devices}) == len(found.devices)
    assert all(KNOWN.problem(one) is None for one in found.devices)
    revoked = {one.device for one in rows if one.state == "revoked"}
    assert not revoked & set(names(found))
    active = [one for one in rows if one.state == "active"]
    assert len(found.problems) == len(active) - sum(one.as_device() in found.devices for one in active)


def test_the_registry_names_who_lost_the_right_to_its_line():
    registry = Registry([ZHANG, Device(device="w", protocol="watch", wearer="wang", wire_id="470")])
    moved = Device(device="w", protocol="watch", wearer="zhang", wire_id="470")
    assert registry.replace([ZHANG, moved]) == ()
    rotated = Device(device="band-1", protocol="senml", wearer="zhang", keys=derive("k2"))
    renamed = Device(device="w", protocol="watch", wearer="zhang", wire_id="471")
    assert set(registry.replace([rotated, renamed])) == {"band-1", "470"}
    assert registry.admits("band-1", b"k2")
    assert not registry.admits("band-1", b"k1")


def test_no_key_is_shown_where_a_band_is_printed():
    device = row("band-1", keys=derive("the key"))
    shown = f"{device!r} {device.as_device()!r} {device.keys!r}"
    kept = device.keys
    assert not [
        secret for secret in (kept.verifier, kept.login_code, repr(kept.oscore_secret)) if secret in shown
    ]
