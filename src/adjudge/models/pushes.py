"""What every kernel does with contributions: settle them on the margin, pick the largest, write them all down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adjudge.kernel import lean_kernel
from adjudge.typing import FloatArray


@lean_kernel
def settle(pushes: FloatArray, total: float) -> None:
    """Put what rounding left between the pushes and their total into the largest of them, the first among equals."""
    largest_at, left = 0, total
    for f in range(len(pushes)):
        left -= pushes[f]
        if abs(pushes[f]) > abs(pushes[largest_at]):
            largest_at = f
    pushes[largest_at] += left


@lean_kernel
def largest(pushes: FloatArray, k: int, top: NDArray[np.int32], top_value: FloatArray) -> None:
    """Write the k largest positive pushes in falling order; of equal ones the first feature comes first."""
    for i in range(k):
        top[i] = -1
        top_value[i] = 0.0
    for f in range(len(pushes)):
        value = pushes[f]
        if value > top_value[k - 1]:
            i = k - 1
            while i > 0 and top_value[i - 1] < value:
                top[i] = top[i - 1]
                top_value[i] = top_value[i - 1]
                i -= 1
            top[i] = f
            top_value[i] = value


@lean_kernel
def note(pushes: FloatArray, j: int, k: int, top: NDArray[np.int32], top_value: FloatArray, every: FloatArray) -> None:
    """Write down the k largest pushes of event j, and all of them where `every` has room."""
    if k > 0:
        largest(pushes, k, top[j], top_value[j])
    if len(every) > 0:
        for f in range(len(pushes)):
            every[j, f] = pushes[f]
