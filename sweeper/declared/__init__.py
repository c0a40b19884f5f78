"""Declarations of a person: reading TOML, search spaces, and every parameter that may stand in one."""
