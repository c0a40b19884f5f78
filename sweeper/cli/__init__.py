"""The command `sweeper`: arguments in, exit code out."""

from .command_line import main

__all__ = ["main"]
