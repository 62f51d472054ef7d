"""What machines call: gateways (events in, commands out) and the telephone carrier's callbacks."""
