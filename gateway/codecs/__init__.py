"""Bytes <-> readings, one pure module a wire format; found by folder (see `gateway.plugins`)."""
