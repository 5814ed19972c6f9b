"""Aliases of the array types that cross module borders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
"""Numbers, one per row unless a shape is stated; NaN means missing."""

IntArray = NDArray[np.int64]
"""Whole numbers: times in microseconds, positions, counts."""

HashArray = NDArray[np.uint64]
"""Keyed 64-bit hashes; 0 means missing."""

BoolArray = NDArray[np.bool_]
"""Truth values, one per row."""

CodeArray = NDArray[np.uint8]
"""Small codes, one per event; what each means is stated where they are made."""

AnyArray = NDArray[Any]
"""An array whose element type is stated where it is used."""
