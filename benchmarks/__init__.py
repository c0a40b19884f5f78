"""Measurements, with their machine and versions, in RESULTS.md."""
