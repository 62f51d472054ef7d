"""`python -m portal.streaming PID`: the stream's process of a parent, its settings on standard input."""

from gateway.telemetry import start_logging
from portal.streaming.process import main

start_logging()
main()
