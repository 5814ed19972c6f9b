"""Kernels that are compiled into their callers.

A call hands over every array in seven words, which costs more than many of these loops take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from adjudge.kernel import lean_kernel

F = TypeVar("F", bound=Callable[..., Any])


def inlined(function: F) -> F:
    """Compile a function that allocates nothing as `lean_kernel` does, and into every kernel that calls it.

    Parameters
    ----------
    function
        A function that numba compiles in nopython mode and that makes no arrays.

    Examples
    --------
    >>> @inlined
    ... def add(a, b):
    ...     return a + b
    >>> add(1, 2)
    3
    """
    compiled = lean_kernel(function)
    # numba knows the option but offers it to whole calls of `njit` only.
    getattr(compiled, "targetoptions", {})["forceinline"] = True
    return compiled
