"""The story of a sweep. Read `run` first."""
