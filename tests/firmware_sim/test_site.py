"""What must stand at the other end of a site's wires."""

from __future__ import annotations

import pytest

from firmware_sim.site import settings_of
from gateway.config import load

MORE = """
[transports.mqtt_listener]
port = 11883
[transports.tcp]
listeners = [
  { port = 15093, protocol = "watch" },
  { port = 15095, protocol = "iw" },
  { port = 15096, protocol = "jt808" },
]
[demo]
scenario = "evening"
"""


@pytest.mark.parametrize(
    ("protocol", "wire_id", "link", "port"),
    [
        ("watch", "4700186508", "tcp", 15093),
        ("iw", "355932600077007", "iw", 15095),
        ("jt808", "013800138000", "jt808", 15096),
    ],
)
def test_a_band_speaks_its_protocol_to_the_port_that_hears_it(small_config, protocol, wire_id, link, port):
    band = ('{ id = "4700186508", protocol = "watch" }', f'{{ id = "{wire_id}", protocol = "{protocol}" }}')
    bands = settings_of(load(small_config(band, more=MORE), make_demo_secrets=True)).bands
    assert [(one.device, one.link, one.port) for one in bands if one.link != "mqtt"] == [
        (wire_id, link, port)
    ]
