"""Bytes in, bytes out, one module a wire; a transport never parses a reading."""
