"""The way to MLflow.

The parent process notes what happens in a journal (`tracker`); a process of its own replays the
journal into MLflow (`replay`, by way of `runs`). So the search never waits for the store, and what
could not be told to it yet is on disk.
"""
