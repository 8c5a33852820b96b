"""Ask for memory before it is read, where a kernel knows which rows come next."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from raypipe.kernels.arrays import Floats, Floats32, Int, Integers
from raypipe.kernels.compiled import kernel

#: Bytes of a cache line.
_LINE = 64


@kernel
def prefetch(array: Integers | Floats32 | Floats, begin: Int, count: int = 1) -> None:
    """Begin to load ``count`` entries from ``array[begin]`` on; has no effect on any result.

    They need not be in the array. Rows of a large graph are far apart: a kernel that waits for each
    in turn spends most of its time waiting.

    Example:
        >>> import numpy as np
        >>> prefetch(np.arange(3), 10**9)
    """
    for at in range(0, count * array.itemsize, _LINE):
        _prefetch(array, begin + at // array.itemsize)  # type: ignore[call-arg]  # Numba adds one


@intrinsic
def _prefetch(
    typingctx: object, array: Any, index: Any
) -> tuple[Any, Callable[[Any, Any, Any, Any], Any]]:
    """Begin to load the cache line of ``array[index]``."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = context.make_array(signature.args[0])(context, builder, args[0])
        byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(builder.gep(found.data, [args[1]]), byte)
        type_ = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        declare: Any = cgutils.get_or_insert_function
        called = declare(builder.module, type_, "llvm.prefetch.p0")
        reads, keeps, data = (ir.Constant(i32, value) for value in (0, 3, 1))
        builder.call(called, [address, reads, keeps, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen
