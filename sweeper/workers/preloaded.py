"""What every worker imports, imported once: workers are forked from the process that has; see `pool.let_workers_fork`."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys

from . import worker

# Ctrl-C and SIGTERM reach the whole group; this process ends when its parent does.
for _signal in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_signal, signal.SIG_IGN)
# Nothing is for the user's terminal, nor keeps a pipe open; each worker opens its log in the place of these.
sys.stdout.flush()
sys.stderr.flush()
with open(os.devnull, "w") as _nowhere:
    for _stream in (1, 2):
        os.dup2(_nowhere.fileno(), _stream)
# Before TensorFlow is imported: threads do not survive a fork.
os.environ.update(worker.THREADS, TF_CPP_MIN_LOG_LEVEL="3")
with contextlib.suppress(Exception):  # each worker tries again, and says what is wrong
    from ..trials import trial  # noqa: F401
gc.freeze()  # what was imported stays; to look through it after every trial would take half a second
