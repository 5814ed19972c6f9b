"""The one way a kernel is compiled: numba, without the interpreter lock, cached on disk, plain IEEE arithmetic."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

# Where Intel's vector library is installed, a vectorised log may differ in its last bit from a loop's remainder.
os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")

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
    return _stamped(function, numba.njit(nogil=True, cache=_is_file(function), error_model="numpy")(function))


def lean_kernel(function: F) -> F:
    """Compile a function that allocates nothing; otherwise as `kernel` does.

    numba counts references to the arrays that one kernel hands to another, atomically. Where nothing is allocated the
    counts are of no use, and without them a fold of one event takes a fifth of the time.

    Parameters
    ----------
    function
        A function that numba compiles in nopython mode and that makes no arrays.

    Examples
    --------
    >>> @lean_kernel
    ... def add(a, b):
    ...     return a + b
    >>> add(1, 2)
    3
    """
    unlisted: dict[str, Any] = {"_nrt": False}  # numba takes it and does not list it
    compiled = numba.njit(nogil=True, cache=_is_file(function), error_model="numpy", **unlisted)(function)
    return _stamped(function, compiled)


def _is_file(function: Callable[..., Any]) -> bool:
    """Whether the function's source can be found again: one typed at a prompt cannot be cached."""
    return Path(function.__code__.co_filename).is_file()


def _stamped(function: F, compiled: Any) -> F:
    """Make the cache forget a kernel when any file of its folder changes: numba looks only at the outermost one's."""
    cache = getattr(compiled._cache, "_cache_file", None)
    if cache is not None:
        cache._source_stamp = _stamp(Path(function.__code__.co_filename).parent)
    return cast(F, compiled)


@functools.cache
def _stamp(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
