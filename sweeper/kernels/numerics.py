"""How the kernels are compiled, and the functions inside their loops."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import platformdirs

HERE = Path(__file__).parent
# What Numba has compiled it compiles again when the file of a function has changed, but not when one that the function
# calls has. So it is kept under a name that follows from all of them.
SOURCES = hashlib.sha256(b"".join(one.read_bytes() for one in sorted(HERE.glob("*.py")))).hexdigest()
CACHE = HERE if os.access(HERE, os.W_OK) else Path(platformdirs.user_cache_dir("sweeper", appauthor=False))
numba.config.CACHE_DIR = numba.config.CACHE_DIR or str(CACHE / "__pycache__" / SOURCES[:16])  # type: ignore[attr-defined]


def compiled(function: Callable[..., Any]) -> Any:
    """The function compiled when it is first called, and kept for other processes where there is a place for it."""
    # error_model: a division that cannot raise is one that the compiler can vectorise.
    options: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither in this folder nor in the user's
        return numba.njit(**options)(function)


inlined: Callable[..., Any] = numba.njit(inline="always", fastmath=True, error_model="numpy")

F = np.float32
LIMIT = F(8.0)  # beyond it tanh is 1 in float32

# x P(x^2) / Q(x^2), both of degree 4, fitted to tanh on [-LIMIT, LIMIT] by iteratively reweighted
# least squares of the relative error: 8e-9 in exact arithmetic, 4e-7 in float32.
P1, P2, P3, P4 = F(0.13444451987743378), F(0.0035715438425540924), F(2.1893776647630148e-05), F(1.5229185024168146e-08)
Q1, Q2, Q3, Q4 = F(0.4677777886390686), F(0.026164235547184944), F(0.0003411203797440976), F(8.521944323547359e-07)


@inlined
def tanh(x):  # type: ignore[no-untyped-def]
    """Hyperbolic tangent of a float32; unlike the C library's it vectorises."""
    x = min(max(x, -LIMIT), LIMIT)
    y = x * x
    return x * ((((P4 * y + P3) * y + P2) * y + P1) * y + F(1)) / ((((Q4 * y + Q3) * y + Q2) * y + Q1) * y + F(1))


@inlined
def sigmoid(x):  # type: ignore[no-untyped-def]
    """Logistic function of a float32, by way of tanh."""
    return F(0.5) * tanh(F(0.5) * x) + F(0.5)
