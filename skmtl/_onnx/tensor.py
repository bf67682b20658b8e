"""What `forward` computes with, as operators in a graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skl2onnx.algebra import onnx_ops as ops

# Types of ONNX tensors, by their numbers in its standard.
FLOAT, INT64, BOOL, DOUBLE = 1, 7, 9, 11
OF_ML = 2  # version of the operators in ai.onnx.ml: skl2onnx refuses the latest


class Tensor:
    """A result in the graph, with the operators that `forward` applies."""

    __array_ufunc__ = None  # NumPy leaves operators with an array on the left alone

    def __init__(
        self, operator, rank: int, opset: int, shape: tuple[int | None, ...] | None = None
    ):
        self.operator, self.rank, self.opset = operator, rank, opset
        self.shape = shape or (None,) * rank  # as far as it is known

    def then(self, name: str, *others, rank: int | None = None, **attributes) -> Tensor:
        """The result of an operator on this tensor, other tensors and arrays."""
        rank = (
            max(
                np.ndim(A) if isinstance(A, np.ndarray) else A.rank for A in (self, *others)
            )
            if rank is None
            else rank
        )
        operands = [
            np.asarray(A, order="C") if isinstance(A, np.ndarray) else A.operator
            for A in (self, *others)
        ]
        make = getattr(ops, f"Onnx{name}")
        version = OF_ML if make.domain == "ai.onnx.ml" else self.opset
        result = make(*operands, op_version=version, **attributes)
        return Tensor(result, rank, self.opset)

    def cast(self, to: int) -> Tensor:
        return self.then("Cast", to=to)

    def column(self, j: int) -> Tensor:
        """One of the columns (n, 1)."""
        return self.then("Gather", np.array([j]), axis=1, rank=2)

    def __add__(self, other):
        return self.then("Add", other)

    def __sub__(self, other):
        return self.then("Sub", other)

    def __mul__(self, other):
        return self.then("Mul", other)

    def __truediv__(self, other):
        return self.then("Div", other)

    def __matmul__(self, other):
        return self.then("MatMul", other)

    def __getitem__(self, key):
        """Only what is asked for: a new last axis, entries of the first or the last."""
        if isinstance(key, int):
            return self.then("Gather", np.array(key), axis=0, rank=self.rank - 1)
        if isinstance(key, slice):
            last = np.iinfo(np.int64).max
            bounds = [np.array([n], np.int64) for n in (key.start, last, 0, key.step)]
            return self.then("Slice", *bounds, rank=self.rank)
        if key == (..., None):
            return self.then("Unsqueeze", np.array([-1]), rank=self.rank + 1)
        *rest, index = key
        if rest != [slice(None)] * (self.rank - 1):
            raise NotImplementedError(f"no operator for the entries {key}")
        where = np.array(index, np.int64)
        return self.then("Gather", where, axis=self.rank - 1, rank=self.rank - 1)


class Operators:
    """The functions of NumPy that `forward` calls; what is an array stays one."""

    @staticmethod
    def minimum(A, B):
        return A.then("Min", B)

    @staticmethod
    def maximum(A, B):
        return A.then("Max", B)

    @staticmethod
    def isnan(A):
        return A.then("IsNaN")

    @staticmethod
    def where(condition, A, B):
        return condition.then("Where", A, B)

    @staticmethod
    def repeat(A, n, axis):
        if isinstance(A, np.ndarray):
            return np.repeat(A, n, axis)
        own = np.repeat(np.arange(A.shape[axis]), n)
        return A.then("Gather", own, axis=axis, rank=A.rank)

    @staticmethod
    def take(A, indices, axis):
        if isinstance(indices, Tensor):  # rows of a table of levels
            rank = A.ndim - 1 + indices.rank
            A = Tensor(np.ascontiguousarray(A), A.ndim, indices.opset)
            return A.then("Gather", indices, axis=axis, rank=rank)
        rank = A.rank - 1 + indices.ndim
        return A.then("Gather", indices.astype(np.int64), axis=axis, rank=rank)

    @staticmethod
    def transpose(A, axes=None):
        if isinstance(A, np.ndarray):
            return A.transpose(axes)
        axes = axes or range(A.rank)[::-1]
        return A.then("Transpose", perm=list(axes))

    @staticmethod
    def swapaxes(A, a, b):
        axes = list(range(len(A.shape)))
        axes[a], axes[b] = b, a
        return Operators.transpose(A, axes)

    @staticmethod
    def reshape(A, shape):
        if isinstance(A, np.ndarray):
            return A.reshape(shape)
        result = A.then("Reshape", np.array(shape, np.int64), rank=len(shape))
        result.shape = tuple(None if n == -1 else n for n in shape)
        return result

    @staticmethod
    def exp(A):
        return A.then("Exp")

    @staticmethod
    def sigmoid(A):
        return A.then("Sigmoid")

    @staticmethod
    def softmax(A):
        return A.then("Softmax", axis=1)

    @staticmethod
    def negative(A):
        return A * np.array([-1.0])

    @staticmethod
    def ones_like(A):
        return A * np.array([0.0]) + np.array([1.0])

    @staticmethod
    def side_by_side(first, *others):
        return first.then("Concat", *others, axis=1)

    @staticmethod
    def max(A, axis, keepdims):
        return A.then("ReduceMax", np.array([axis]), keepdims=int(keepdims), rank=A.rank)

    @staticmethod
    def sum(A, axis, keepdims=False):
        rank = A.rank if keepdims else A.rank - 1
        return A.then("ReduceSum", np.array([axis]), keepdims=int(keepdims), rank=rank)


def _single(value: float) -> np.ndarray:
    return np.array([value], np.float32)


# Under the names in `skmtl._network.activations`.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: x.then("Relu"),
    "leaky_relu": lambda x: x.then("LeakyRelu", alpha=0.2),
    "elu": lambda x: x.then("Elu", alpha=1.0),
    "selu": lambda x: x.then("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    "gelu": lambda x: (
        x * ((x * _single(0.5**0.5)).then("Erf") + _single(1.0)) * _single(0.5)
    ),
    "silu": lambda x: x * x.then("Sigmoid"),
    "mish": lambda x: x * x.then("Softplus").then("Tanh"),
    "softplus": lambda x: x.then("Softplus"),
    "tanh": lambda x: x.then("Tanh"),
    "sigmoid": lambda x: x.then("Sigmoid"),
    "linear": lambda x: x,
}
