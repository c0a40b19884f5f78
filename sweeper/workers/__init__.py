"""Processes that run trials: the pool in the parent, and what runs inside a worker."""
