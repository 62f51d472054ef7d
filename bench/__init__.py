"""Measurements: figures are ratios against a named baseline in the same run, and no test asserts them."""
