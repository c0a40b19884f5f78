"""Tasks: one file each. A new task is one file here, one line below, and its rows in `parameters.TABLE`."""

from __future__ import annotations

from ..registry import Registry
from .base import Baseline, Task, TrainedModel
from .generation import GENERATION
from .sentiment import SENTIMENT
from .seq2seq import SEQ2SEQ
from .tagging import TAGGING
from .text import TEXT

TASKS: Registry[Task] = Registry("task")
for _task in (SENTIMENT, TEXT, TAGGING, SEQ2SEQ, GENERATION):
    TASKS.add(_task.name, _task)

__all__ = ["TASKS", "Baseline", "Task", "TrainedModel"]
