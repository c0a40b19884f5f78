"""What every worker imports, imported once: workers are forked from the process that has; see `pool`."""

from __future__ import annotations

import gc
import os
import signal
import sys

from . import worker
from .quiet import without_chatter

for _signal in (signal.SIGINT, signal.SIGTERM):  # which reach the whole group; it ends when the parent does
    signal.signal(_signal, signal.SIG_IGN)
os.environ.update(
    worker.THREADS, TF_CPP_MIN_LOG_LEVEL="3"
)  # before TensorFlow is imported: threads do not survive a fork
sys.path[:] = [place for place in sys.path if place]  # nothing of the working folder
with without_chatter():
    from . import trial  # noqa: F401
gc.freeze()  # what was imported stays; to look through it after every trial would take half a second
