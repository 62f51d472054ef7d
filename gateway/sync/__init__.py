"""Carries committed journal rows to the portal, in order, at least once."""
