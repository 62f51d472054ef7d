"""Guardianship: asked for, judged, objected to, ended, with the role that comes and goes."""
