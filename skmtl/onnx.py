"""Fitted estimators, and pipelines that end in one, as ONNX graphs of standard operators.

Importing this module registers the converter of `MultiTaskRegressor` with skl2onnx; it
needs ``pip install skmtl[onnx]``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import skl2onnx
from skl2onnx.algebra import onnx_ops as ops
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

from ._inputs import Inputs, Units
from ._links import by_activation
from ._network import Network, forward
from ._regressor import MultiTaskRegressor

__all__ = ["to_onnx"]

# Types of ONNX tensors, by their numbers in its standard.
FLOAT, DOUBLE = 1, 11


def to_onnx(model, X, **options):
    """Convert a fitted estimator, alone or in a fitted Pipeline.

    The graph reads the features as `predict` does, in double precision, and multiplies in
    single precision. An ensemble is one graph.

    Parameters
    ----------
    model : fitted MultiTaskRegressor or Pipeline
        Of a search: its ``best_estimator_``.
    X : array-like or DataFrame of shape (n, d)
        Features, of which one row will do: their types are those of the graph's inputs.
        The columns of a DataFrame become an input each.
    **options : dict
        As for ``skl2onnx.to_onnx``, such as ``target_opset``.

    Returns
    -------
    onnx.ModelProto
        Its output ``variable`` has the shape (n, T), also where `y` was 1-D in `fit`;
        float64 for float64 features, else float32.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.onnx import to_onnx
    >>> X, y = load_energy(return_X_y=True)
    >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
    >>> graph = to_onnx(model, X[:1])
    >>> [output.name for output in graph.graph.output]
    ['variable']
    """
    return skl2onnx.to_onnx(model, X[:1], **options)


class _Tensor:
    """A result in the graph, with the operators that `skmtl._network.forward` applies."""

    __array_ufunc__ = None  # NumPy leaves operators with an array on the left alone

    def __init__(self, operator, rank: int, opset: int):
        self.operator, self.rank, self.opset = operator, rank, opset

    @property
    def shape(self) -> tuple[None, ...]:
        return (None,) * self.rank

    def then(self, name: str, *others, rank: int | None = None, **attributes) -> _Tensor:
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
        result = make(*operands, op_version=self.opset, **attributes)
        return _Tensor(result, rank, self.opset)

    def cast(self, to: int) -> _Tensor:
        return self.then("Cast", to=to)

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
        """Only what is asked for: a new last axis, or one entry of the last."""
        if key == (..., None):
            return self.then("Unsqueeze", np.array([-1]), rank=self.rank + 1)
        *rest, index = key
        if rest != [slice(None)] * (self.rank - 1):
            raise NotImplementedError(f"no operator for the entries {key}")
        where = np.array(index, np.int64)
        return self.then("Gather", where, axis=self.rank - 1, rank=self.rank - 1)


class _Operators:
    """The functions of NumPy that `forward` calls; what is an array stays one."""

    @staticmethod
    def minimum(A, B):
        return A.then("Min", B)

    @staticmethod
    def maximum(A, B):
        return A.then("Max", B)

    @staticmethod
    def take(A, columns, axis):
        rank = A.rank - 1 + columns.ndim
        return A.then("Gather", columns.astype(np.int64), axis=axis, rank=rank)

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
        return _Operators.transpose(A, axes)

    @staticmethod
    def reshape(A, shape):
        if isinstance(A, np.ndarray):
            return A.reshape(shape)
        return A.then("Reshape", np.array(shape, np.int64), rank=len(shape))

    @staticmethod
    def sum(A, axis):
        return A.then("ReduceSum", np.array([axis]), keepdims=0, rank=A.rank - 1)


def _float(value: float) -> np.ndarray:
    return np.array([value], np.float32)


# Under the names in `skmtl._activations`.
ACTIVATIONS: dict[str, Callable[[_Tensor], _Tensor]] = {
    "relu": lambda x: x.then("Relu"),
    "leaky_relu": lambda x: x.then("LeakyRelu", alpha=0.2),
    "elu": lambda x: x.then("Elu", alpha=1.0),
    "selu": lambda x: x.then("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    "gelu": lambda x: x * ((x * _float(0.5**0.5)).then("Erf") + _float(1.0)) * _float(0.5),
    "silu": lambda x: x * x.then("Sigmoid"),
    "mish": lambda x: x * x.then("Softplus").then("Tanh"),
    "softplus": lambda x: x.then("Softplus"),
    "tanh": lambda x: x.then("Tanh"),
    "sigmoid": lambda x: x.then("Sigmoid"),
    "linear": lambda x: x,
}
LINK_OPERATORS = {"exponential": "Exp", "sigmoid": "Sigmoid"}


def _predictions(members: list[Network], X: _Tensor) -> _Tensor:
    """Mean of the members' targets (n, T) in double precision, for features in double."""
    read: dict[int, tuple[Callable, Callable]] = {}  # once for all that read the same
    results = []
    for network in members:
        features = network.features
        if id(features) not in read:
            read[id(features)] = _reads(features, X)
        activation = ACTIVATIONS[network.architecture.activation]
        outputs = forward(network.weights, X, read[id(features)], activation, xp=_Operators)
        results.append(_decoded(network, outputs[:, :, 0].cast(DOUBLE)))
    first, *others = results
    return sum(others, start=first) / np.array(float(len(results)))


def _reads(features: Inputs, X: _Tensor) -> tuple[Callable, Callable]:
    """What hidden layers and linear path read, as functions for `forward`."""
    scaled = (X - features.scaling.mean) / features.scaling.scale

    def reader(units: Units):
        H = units(scaled, _Operators).cast(FLOAT)
        return lambda X, xp: H

    return reader(features.hidden), reader(features.linear)


def _decoded(network: Network, outputs: _Tensor) -> _Tensor:
    """Targets in their own units, as `Network.decode` has them."""
    for name, of_link in by_activation(network.links).items():
        linked = outputs.then(LINK_OPERATORS[name])
        mask = _Tensor(of_link, 1, outputs.opset)
        outputs = mask.then("Where", linked, outputs)
    return outputs * network.targets.scale + network.targets.mean


def _output_shape(operator) -> None:
    double = isinstance(operator.inputs[0].type, DoubleTensorType)
    n_rows = operator.inputs[0].get_first_dimension()
    shape = [n_rows, operator.raw_operator.n_outputs_]
    operator.outputs[0].type = (DoubleTensorType if double else FloatTensorType)(shape)


def _convert(scope, operator, container) -> None:
    opset = container.target_opset
    parts = [_Tensor(A, 2, opset).cast(DOUBLE) for A in operator.inputs]
    X = parts[0].then("Concat", *parts[1:], axis=1) if len(parts) > 1 else parts[0]
    Y = _predictions(operator.raw_operator._members, X)
    double = isinstance(operator.outputs[0].type, DoubleTensorType)
    result = ops.OnnxCast(
        Y.operator,
        to=DOUBLE if double else FLOAT,
        op_version=opset,
        output_names=operator.outputs,
    )
    result.add_to(scope, container)


skl2onnx.update_registered_converter(
    MultiTaskRegressor, "SkmtlMultiTaskRegressor", _output_shape, _convert
)
