"""Wearers' profiles while the gateway runs: judged, versioned, ordered, read again from the file."""
