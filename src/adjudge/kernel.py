"""The one way a kernel is compiled: numba, without the interpreter lock, cached on disk, plain IEEE arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function with numba the way every kernel of adjudge is compiled.

    No fast-math and no parallel reductions: the order of floating point operations is part of the contract, so that
    the same rows give the same bits whatever the batch, the thread or the caller.

    Parameters
    ----------
    function
        A function that numba compiles in nopython mode.

    Examples
    --------
    >>> @kernel
    ... def total(values):
    ...     result = 0.0
    ...     for value in values:
    ...         result += value
    ...     return result
    >>> import numpy as np
    >>> total(np.array([1.0, 2.0]))
    3.0
    """
    compiled = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return cast(F, compiled)
