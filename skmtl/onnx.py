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
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import validate_data

from ._estimators.classifier import MultiTaskClassifier
from ._estimators.networks_of import members_of
from ._estimators.regressor import MultiTaskRegressor
from ._network.forward import forward
from ._network.heads import OUTPUT_ACTIVATIONS, by_activation
from ._network.inputs import Inputs
from ._network.network import Network
from ._network.units import Units
from ._onnx.levels import features
from ._onnx.table import first_row
from ._onnx.tensor import ACTIVATIONS, DOUBLE, FLOAT, INT64, Operators, Tensor
from .ensemble._base import BaseStacking
from .ensemble._parts import innermost

if TYPE_CHECKING:  # comes with skl2onnx
    import onnx

__all__ = ["to_onnx"]


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
        The columns of a DataFrame become an input each. That of text, or of categories that
        are text, is of strings, of which the empty one is missing; that of categories
        that are numbers, or of nullable numbers, is of float64, of which NaN is missing.
    **options : dict
        As for ``skl2onnx.to_onnx``, such as ``target_opset``.

    Returns
    -------
    onnx.ModelProto
        Of a regressor, the output ``variable`` has the shape (n, T), also where `y` was
        1-D in `fit`: what `predict` gives. Of a classifier, there is an output
        ``probabilities_<target>`` (n, C) for every target, in the order of `classes_`.
        float64 for float64 features, else float32.

    Raises
    ------
    ValueError
        If X has other columns than those of the fit, or in another order.
    TypeError
        If the model is, or ends in, a stack of `skmtl.ensemble`: skl2onnx has no graphs
        for boosted trees with categories, nor in double precision for others. Its network
        alone has one.

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
    inner = innermost(model)
    if isinstance(inner, BaseStacking):
        raise TypeError(
            f"{type(inner).__name__} has no ONNX graph, as most of its parts have none in "
            "skl2onnx. Convert a network among them by itself, such as "
            "stack.named_estimators_['network'], or save the stack with joblib."
        )
    row = first_row(X)
    _check_columns(model, row)
    return skl2onnx.to_onnx(model, row, **options)


def _check_columns(model, row) -> None:
    """The graph would take columns by position: they must be those of the fit."""
    first = model[0] if isinstance(model, Pipeline) else model
    if isinstance(first, ColumnTransformer):  # takes them by name, in any order
        return
    validate_data(model, row, reset=False, skip_check_array=True)


def _outputs(members: list[Network], X: Tensor) -> list[Tensor]:
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
                xp=Operators,
            )
        )
    return results


def _mean(results: list[Tensor]) -> Tensor:
    first, *others = results
    return sum(others, start=first) / np.array(float(len(results)))


def _reads(features: Inputs, X: Tensor) -> tuple[Callable, Callable, Tensor | None]:
    """What hidden layers and linear path read, as functions, and rows of levels."""
    codes = None
    if len(features.categorical):
        codes = _rows_of_levels(features, X)
        others = np.setdiff1d(np.arange(features.n_columns), features.categorical)
        X = Operators.take(X, others, axis=1)
    scaled = (X - features.scaling.mean) / features.scaling.scale

    def reader(units: Units):
        H = units.for_missing()(scaled, Operators).cast(FLOAT)
        return lambda X, xp: H

    return reader(features.hidden), reader(features.linear), codes


def _rows_of_levels(features: Inputs, X: Tensor) -> Tensor:
    """As `Inputs.numbers_and_codes` has them (n, C)."""
    positions = Operators.take(X, features.categorical, axis=1)
    unknown = features.unknown.astype(np.float64)
    rows = positions + (unknown - features.n_levels)
    rows = positions.then("IsNaN").then("Where", unknown, rows).cast(INT64)
    rows.shape = (None, len(unknown))
    return rows


def _decoded(network: Network, outputs: Tensor) -> Tensor:
    """Targets in their own units, as `Network.decode` has them."""
    for name, columns in by_activation(network.kinds).items():
        activated = outputs.then(OUTPUT_ACTIVATIONS[name][1])
        mask = Tensor(columns, 1, outputs.opset)
        outputs = mask.then("Where", activated, outputs)
    return outputs * network.targets.scale + network.targets.mean


def _is_double(operator) -> bool:
    return any(isinstance(A.type, DoubleTensorType) for A in operator.inputs)


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


def _add(result: Tensor, variable, operator, scope, container) -> None:
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
    outputs = _outputs(members, features(operator, container.target_opset))
    predictions = [
        _decoded(network, output[:, :, 0].cast(DOUBLE))
        for network, output in zip(members, outputs, strict=True)
    ]
    _add(_mean(predictions), operator.outputs[0], operator, scope, container)


def _convert_classifier(scope, operator, container) -> None:
    members = members_of(operator.raw_operator)
    outputs = _outputs(members, features(operator, container.target_opset))
    kind: Any  # of head: that of classes
    for task, kind in enumerate(members[0].kinds):
        own = np.arange(kind.n_outputs)
        probabilities = [
            kind.probabilities(
                output.then("Gather", np.array(task), axis=1, rank=2)
                .cast(DOUBLE)
                .then("Gather", own, axis=1),
                Operators,
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
