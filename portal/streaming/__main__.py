"""`python -m portal.streaming`: the stream's process, its settings as one line of JSON on standard input."""

from gateway.telemetry import start_logging
from portal.streaming.process import main

start_logging()
main()
