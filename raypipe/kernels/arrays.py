"""Names of the array types that kernels take and return."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: An integer inside a kernel, where Numba's integers have a width.
Int: TypeAlias = int | np.integer[Any]

#: Codes, counts of neighbours and other small integers.
Indices: TypeAlias = NDArray[np.int32]
#: Positions in long arrays, and sums that may exceed 32 bits.
Offsets: TypeAlias = NDArray[np.int64]
#: Integers of any width, where a kernel does not mind.
Integers: TypeAlias = NDArray[np.integer[Any]]
#: Scores and ratings.
Floats: TypeAlias = NDArray[np.float64]
#: Factors of models.
Floats32: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]
Bytes: TypeAlias = NDArray[np.uint8]
#: Random words, and hashes.
Words: TypeAlias = NDArray[np.uint64]
