"""Measurements: each script prints a table; `docs/results.md` keeps what they printed."""
