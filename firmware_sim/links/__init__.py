"""Real wires for simulated bands: MQTT, CoAP, TCP and pseudo-terminals."""
