"""What signals do to this process, for a while."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def handling(handler: Callable[..., Any] | signal.Handlers, *numbers: signal.Signals) -> Iterator[None]:
    """Let `handler` answer these signals; only in the main thread, as nowhere else handlers may be set."""
    ours = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in numbers} if ours else {}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)
