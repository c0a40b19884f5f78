"""sweeper: which recurrent architecture serves your text, does it beat a linear baseline, and how do you ship it?

import sweeper

outcome = sweeper.sweep("sentiment", dataset="rotten-tomatoes", trials=8)
outcome.leaderboard            # a pandas DataFrame
sweeper.export(to="exports/mine")
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

__version__ = metadata.version("sweeper")
__all__ = ["export", "leaderboard", "load_dataset", "load_space", "sweep"]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and nothing heavy before."""
    if name not in __all__:
        raise AttributeError(f"module 'sweeper' has no attribute {name!r}")
    from . import api

    return getattr(api, name)
