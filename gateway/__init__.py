"""The edge gateway: hears bands, judges what they say, journals it, and raises help."""
