"""Fitted estimators, and pipelines that end in one, as ONNX graphs of standard operators.

Importing this module registers the converters of `MultiTaskRegressor` and
`MultiTaskClassifier` with skl2onnx; it needs ``pip install skmtl[onnx]``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import skl2onnx
from skl2onnx.algebra import onnx_ops as ops
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline

from ._estimators.classifier import MultiTaskClassifier
from ._estimators.networks_of import members_of
from ._estimators.regressor import MultiTaskRegressor
from ._network.forward import forward
from ._network.heads import OUTPUT_ACTIVATIONS, by_activation
from ._network.inputs import Inputs
from ._network.network import Network
from ._network.units import Units

if TYPE_CHECKING:  # comes with skl2onnx
    import onnx

__all__ = ["to_onnx"]

# Types of ONNX tensors, by their numbers in its standard.
FLOAT, DOUBLE, INT64 = 1, 11, 7


def to_onnx(
    model: MultiTaskRegressor | MultiTaskClassifier | Pipeline, X: Any, **options: Any
) -> onnx.ModelProto:
    """Convert a fitted estimator, alone or in a fitted Pipeline.

    The graph reads the features as `predict` does, in double precision, and multiplies in
    single precision. An ensemble is one graph.

    Parameters
    ----------
    model : fitted MultiTaskRegressor, MultiTaskClassifier or Pipeline
        Of a search: its ``best_estimator_``.
    X : array-like or DataFrame of shape (n, d)
        Features, of which one row will do: their types are those of the graph's inputs.
        The columns of a DataFrame become an input each.
    **options : dict
        As for ``skl2onnx.to_onnx``, such as ``target_opset``.

    Returns
    -------
    onnx.ModelProto
        Of a regressor, the output ``variable`` has the shape (n, T), also where `y` was
        1-D in `fit`: what `predict` gives. Of a classifier, there is an output
        ``probabilities_<target>`` (n, C) for every target, in the order of `classes_`.
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
    """A result in the graph, with the operators that `forward` applies."""

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


class _Operators:
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
        return np.repeat(A, n, axis)

    @staticmethod
    def take(A, columns, axis):
        if isinstance(columns, _Codes):  # of a table of levels
            table = _Tensor(A, A.ndim, columns.tensor.opset)
            return table.then("Gather", columns.tensor, axis=axis, rank=A.ndim + 1)
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


def _float(value: float) -> np.ndarray:
    return np.array([value], np.float32)


# Under the names in `skmtl._network.activations`.
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


def _outputs(members: list[Network], X: _Tensor) -> list[_Tensor]:
    """What every member's heads put out (n, T, O), for features in double precision."""
    read: dict[int, tuple] = {}  # once for all that read the same
    results = []
    for network in members:
        features = network.features
        if id(features) not in read:
            read[id(features)] = _reads(features, X)
        activation = ACTIVATIONS[network.architecture.activation]
        *of_features, codes = read[id(features)]
        results.append(
            forward(
                network.architecture,
                network.weights,
                X,
                of_features,
                activation,
                codes=codes,
                xp=_Operators,
            )
        )
    return results


def _mean(results: list[_Tensor]) -> _Tensor:
    first, *others = results
    return sum(others, start=first) / np.array(float(len(results)))


def _reads(features: Inputs, X: _Tensor) -> tuple[Callable, Callable, _Codes | None]:
    """What hidden layers and linear path read, for `forward`, and rows of levels."""
    codes = None
    if len(features.categorical):
        codes = _Codes.of(features, X)
        others = np.setdiff1d(np.arange(features.n_columns), features.categorical)
        X = _Operators.take(X, others, axis=1)
    scaled = (X - features.scaling.mean) / features.scaling.scale

    def reader(units: Units):
        H = units.for_missing()(scaled, _Operators).cast(FLOAT)
        return lambda X, xp: H

    return reader(features.hidden), reader(features.linear), codes


class _Codes:
    """Rows of levels (n, C), as what `forward` looks up by."""

    def __init__(self, tensor: _Tensor, n_categorical: int):
        self.tensor, self.shape, self.ndim = tensor, (None, n_categorical), 2

    @classmethod
    def of(cls, features: Inputs, X: _Tensor) -> _Codes:
        codes = _Operators.take(X, features.categorical, axis=1)
        unknown = features.unknown.astype(np.float64)
        rows = codes + (unknown - features.n_levels)
        rows = codes.then("IsNaN").then("Where", unknown, rows)
        return cls(rows.cast(INT64), len(unknown))


def _decoded(network: Network, outputs: _Tensor) -> _Tensor:
    """Targets in their own units, as `Network.decode` has them."""
    for name, columns in by_activation(network.kinds).items():
        activated = outputs.then(OUTPUT_ACTIVATIONS[name][1])
        mask = _Tensor(columns, 1, outputs.opset)
        outputs = mask.then("Where", activated, outputs)
    return outputs * network.targets.scale + network.targets.mean


def _is_double(operator) -> bool:
    return isinstance(operator.inputs[0].type, DoubleTensorType)


def _type(operator, n_columns: int):
    """Of a result with a row for each of the input's, in the precision of the input."""
    tensor = DoubleTensorType if _is_double(operator) else FloatTensorType
    return tensor([operator.inputs[0].get_first_dimension(), n_columns])


def _shape_of_targets(operator) -> None:
    operator.outputs[0].type = _type(operator, operator.raw_operator.n_outputs_)


def _shapes_of_classes(operator) -> None:
    for output, kind in zip(
        operator.outputs, members_of(operator.raw_operator)[0].kinds, strict=True
    ):
        output.type = _type(operator, kind.n_classes)


def _outputs_of_classifier(scope, model, inputs, custom_parsers=None):
    """An output for every target, where skl2onnx would have labels and one array."""
    operator = scope.declare_local_operator("SkmtlMultiTaskClassifier", model)
    operator.inputs.extend(inputs)
    for name in model.target_names_:
        output = scope.declare_local_variable(f"probabilities_{name}", FloatTensorType())
        operator.outputs.append(output)
    return operator.outputs


def _features(operator, opset: int) -> _Tensor:
    """The operator's inputs side by side, in double precision."""
    parts = [_Tensor(A, 2, opset).cast(DOUBLE) for A in operator.inputs]
    return parts[0].then("Concat", *parts[1:], axis=1) if len(parts) > 1 else parts[0]


def _add(result: _Tensor, variable, operator, scope, container) -> None:
    """The result under the name that the graph has for it."""
    cast = ops.OnnxCast(
        result.operator,
        to=DOUBLE if _is_double(operator) else FLOAT,
        op_version=container.target_opset,
        output_names=[variable],
    )
    cast.add_to(scope, container)


def _convert_regressor(scope, operator, container) -> None:
    members = members_of(operator.raw_operator)
    outputs = _outputs(members, _features(operator, container.target_opset))
    predictions = [
        _decoded(network, output[:, :, 0].cast(DOUBLE))
        for network, output in zip(members, outputs, strict=True)
    ]
    _add(_mean(predictions), operator.outputs[0], operator, scope, container)


def _convert_classifier(scope, operator, container) -> None:
    members = members_of(operator.raw_operator)
    outputs = _outputs(members, _features(operator, container.target_opset))
    kind: Any  # of head: that of classes
    for task, kind in enumerate(members[0].kinds):
        own = np.arange(kind.n_outputs)
        probabilities = [
            kind.probabilities(
                output.then("Gather", np.array(task), axis=1, rank=2)
                .cast(DOUBLE)
                .then("Gather", own, axis=1),
                _Operators,
            )
            for output in outputs
        ]
        _add(_mean(probabilities), operator.outputs[task], operator, scope, container)


skl2onnx.update_registered_converter(
    MultiTaskRegressor, "SkmtlMultiTaskRegressor", _shape_of_targets, _convert_regressor
)
skl2onnx.update_registered_converter(
    MultiTaskClassifier,
    "SkmtlMultiTaskClassifier",
    _shapes_of_classes,
    _convert_classifier,
    parser=_outputs_of_classifier,
)


class ImputerOfNumbers(SimpleImputer):
    """One that puts its statistics for NaN by operators of double precision, too.

    onnxruntime has the operator that skl2onnx writes for others in single alone.
    """


def _shape_of_imputed(operator) -> None:
    operator.outputs[0].type = _type(operator, len(operator.raw_operator.statistics_))


def _convert_imputer(scope, operator, container) -> None:
    X = _features(operator, container.target_opset)
    filled = X.then("IsNaN").then("Where", operator.raw_operator.statistics_, X)
    _add(filled, operator.outputs[0], operator, scope, container)


def _shape_of_flags(operator) -> None:
    operator.outputs[0].type = _type(operator, len(operator.raw_operator.features_))


def _convert_flags(scope, operator, container) -> None:
    X = _features(operator, container.target_opset)
    flags = X.then("IsNaN").then("Gather", operator.raw_operator.features_, axis=1)
    _add(flags, operator.outputs[0], operator, scope, container)


# What the command line's pipelines have besides.
skl2onnx.update_registered_converter(
    ImputerOfNumbers, "SkmtlImputer", _shape_of_imputed, _convert_imputer
)
skl2onnx.update_registered_converter(
    MissingIndicator, "SkmtlMissingIndicator", _shape_of_flags, _convert_flags
)
