"""Vectors of 16 floats in numba: `+`, `-`, `*`, `load`, `store` and others become LLVM vector instructions.

LLVM maps a vector to the registers of the processor: one of AVX-512, two of AVX2, four of SSE or NEON. The fast-math
flags `contract` and `arcp` allow fused multiply-adds and, for 1/x and 1/sqrt(x), estimates refined by Newton's method.
No flag allows a sum to be reordered, so results do not depend on how LLVM compiles the loops.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.extending import models, overload, register_model

LANES = 16
intrinsic: Any = extending.intrinsic  # a decorated function is called without its first argument
FLOAT = ir.FloatType()
WIDE = ir.VectorType(FLOAT, LANES)
FAST = ("nnan", "ninf", "nsz", "arcp", "contract", "afn")


class Vector(types.Type):
    """The numba type of a vector of 16 floats."""

    def __init__(self) -> None:
        super().__init__(name="Vector16")


VECTOR = Vector()


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector is one LLVM value."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, WIDE)


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(data, [arguments[1]]), WIDE.as_pointer())


@intrinsic
def load(_context, array, index):
    """The 16 floats of the flat `array` from `index` on."""

    def emit(context, builder, signature, arguments):
        return builder.load(_address(context, builder, signature, arguments), align=4)

    return VECTOR(array, types.intp), emit


@intrinsic
def store(_context, array, index, vector):
    """Write 16 floats to the flat `array` from `index` on."""

    def emit(context, builder, signature, arguments):
        builder.store(arguments[2], _address(context, builder, signature, arguments), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), emit


@intrinsic
def splat(_context, number):
    """One float in every lane."""

    def emit(context, builder, signature, arguments):
        one = builder.insert_element(ir.Constant(WIDE, ir.Undefined), arguments[0], ir.Constant(ir.IntType(32), 0))
        return _shuffle(builder, one, one, [0] * LANES)

    return VECTOR(types.float32), emit


@intrinsic
def store_int(_context, array, index, vector):
    """Convert 16 integral floats to int32 and write them to the flat `array` from `index` on."""

    def emit(context, builder, signature, arguments):
        kind = ir.VectorType(ir.IntType(32), LANES)
        address = builder.bitcast(_address(context, builder, signature, arguments), kind.as_pointer())
        builder.store(builder.fptosi(arguments[2], kind), address, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), emit


def _shuffle(builder: Any, first: Any, second: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(first, second, mask)


def _binary(emit: Any, doc: str) -> Any:
    def typed(_context, first, second):
        return VECTOR(VECTOR, VECTOR), lambda context, builder, signature, values: emit(builder, *values)

    typed.__doc__ = doc
    return intrinsic(typed)


def _unary(emit: Any, doc: str) -> Any:
    def typed(_context, vector):
        return VECTOR(VECTOR), lambda context, builder, signature, values: emit(builder, *values)

    typed.__doc__ = doc
    return intrinsic(typed)


def _call(builder: Any, name: str, *values: Any) -> Any:
    kind = ir.FunctionType(WIDE, [WIDE] * len(values))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f32")
    return builder.call(function, values, fastmath=FAST)


def _reciprocal(builder: Any, divisor: Any) -> Any:
    return builder.fdiv(ir.Constant(WIDE, [1.0] * LANES), divisor, flags=FAST)


add = _binary(lambda builder, a, b: builder.fadd(a, b, flags=FAST), "a + b")
subtract = _binary(lambda builder, a, b: builder.fsub(a, b, flags=FAST), "a - b")
multiply = _binary(lambda builder, a, b: builder.fmul(a, b, flags=FAST), "a * b")
minimum = _binary(lambda builder, a, b: _call(builder, "minnum", a, b), "The minimum of each lane.")
maximum = _binary(lambda builder, a, b: _call(builder, "maxnum", a, b), "The maximum of each lane.")
shift_left = _binary(lambda builder, a, b: _shuffle(builder, a, b, list(range(1, LANES + 1))), "a[1:] + b[:1]")
shift_right = _binary(
    lambda builder, a, b: _shuffle(builder, a, b, list(range(LANES - 1, 2 * LANES - 1))), "a[-1:] + b[:-1]"
)


def _quarter(k: int) -> Any:
    lanes = [LANES // 4 * k + lane % 4 for lane in range(LANES)]
    return _unary(lambda builder, a: _shuffle(builder, a, a, lanes), f"Lanes {4 * k} to {4 * k + 3}, four times.")


quarter0, quarter1, quarter2, quarter3 = (_quarter(k) for k in range(4))
reciprocal = _unary(_reciprocal, "1 / a")
floor = _unary(lambda builder, a: _call(builder, "floor", a), "Each lane rounded down.")
sqrt = _unary(lambda builder, a: _call(builder, "sqrt", a), "The square root of each lane.")


@intrinsic
def sum_lanes(_context, vector):
    """The sum of the lanes, by pairwise halving."""

    def emit(context, builder, signature, arguments):
        (sums,) = arguments
        width = LANES
        while width > 1:
            width //= 2
            halves = [_shuffle(builder, sums, sums, list(range(at, at + width))) for at in (0, width)]
            sums = builder.fadd(*halves)
        return builder.extract_element(sums, ir.Constant(ir.IntType(32), 0))

    return types.float32(vector), emit


@intrinsic
def lane(_context, vector, number):
    """One lane as a float."""

    def emit(context, builder, signature, arguments):
        return builder.extract_element(arguments[0], arguments[1])

    return types.float32(vector, types.intp), emit


for symbol, function in ((operator.add, add), (operator.sub, subtract), (operator.mul, multiply)):

    def _typed(a, b, function=function):
        if isinstance(a, Vector) and isinstance(b, Vector):
            return lambda a, b, function=function: function(a, b)
        return None

    overload(symbol, inline="always")(_typed)
