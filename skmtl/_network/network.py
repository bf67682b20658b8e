"""The network of trunk and heads: its shapes, its first weights, its forward pass."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .activations import ACTIVATIONS
from .architecture import Architecture, initial_weights
from .forward import embedded, forward, gates_of
from .heads import OUTPUT_ACTIVATIONS, HeadKind, by_activation
from .inputs import Inputs
from .prediction import MANY_ROWS, outputs_of_many
from .scaling import Scaling
from .weights import Weights

PREDICTION_CHUNK = 2**18  # numbers per layer that predict holds at once: 2 MiB


class OptimizerState(NamedTuple):
    """What an optimizer goes on from.

    The weights are not those to predict with if the optimizer averages them.
    """

    key: str  # tells whose variables they are
    values: list[np.ndarray]
    weights: list[np.ndarray]


@dataclass(frozen=True)
class Network:
    """Weights, what they were trained with, and the units of what goes in and out."""

    architecture: Architecture
    weights: Weights
    optimizer_state: OptimizerState | None
    features: Inputs
    targets: Scaling
    kinds: tuple[HeadKind, ...]  # of each target's head
    log_variances: np.ndarray  # (T,) of learnt loss weights
    balance: np.ndarray | None = None  # what adapting loss weights go on from

    @classmethod
    def untrained(
        cls,
        architecture: Architecture,
        rng: np.random.Generator,
        features: Inputs,
        targets: Scaling,
        kinds: tuple[HeadKind, ...],
    ) -> Network:
        return cls(
            architecture,
            initial_weights(architecture, rng),
            None,
            features,
            targets,
            kinds,
            np.zeros(architecture.n_targets, np.float32),
        )

    def starting_at(self, outputs: np.ndarray) -> Network:
        """The network with these outputs (T, O) of heads of their own as biases."""
        output = self.weights.output._replace(bias=outputs[:, None].astype(np.float32))
        return dataclasses.replace(self, weights=self.weights._replace(output=output))

    def encode(
        self, X, Y, W, mean_weight=None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What training sees of a table.

        Features as `Inputs.read` has them; scaled targets, 0 where they are not observed
        (0 * NaN is NaN); cell weights with mean 1 over the rows of every target that has
        any, which are these unless there are more of them, with a ``mean_weight`` (T,).
        """
        if mean_weight is None:
            mean_weight = W.sum(axis=0) / max(len(W), 1)
        return (
            self.features.read(X),
            np.where(W > 0, self.targets.apply(Y), 0.0),
            W / np.where(mean_weight > 0, mean_weight, 1.0),
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Targets (n, T) in their own units, for features (n, d) in theirs."""
        return self.decode(self.outputs(X))

    def outputs(self, X: np.ndarray) -> np.ndarray:
        """What the heads put out (n, T, O), for features (n, d) in their own units.

        In double precision: no row or target depends, beyond rounding, on those beside it.
        Of more than `MANY_ROWS` in single, as in training, which is quicker.
        """
        activation = ACTIVATIONS[self.architecture.activation]
        if len(X) > MANY_ROWS:
            return outputs_of_many(self, X, forward, activation)
        chunk = max(1, PREDICTION_CHUNK // self.architecture.width)
        Y = np.empty((len(X), self.architecture.n_targets, self.architecture.n_outputs))
        for start in range(0, len(X), chunk):
            rows = slice(start, start + chunk)
            numbers, codes = self.features.numbers_and_codes(X[rows])
            Y[rows] = forward(
                self.architecture,
                self._double,
                numbers,
                self.features.units_for(numbers),
                activation,
                codes=codes,
            )
        return Y

    def gates(self, X: np.ndarray) -> np.ndarray:
        """How much of each expert every target takes (n, T, E + P)."""
        numbers, codes = self.features.numbers_and_codes(X)
        E = embedded(self._double, codes, np)
        U = self.features.units_for(numbers)[0](numbers)
        return gates_of(self._double, U, E, np).transpose(1, 0, 2)

    @cached_property
    def _double(self) -> Weights:
        """The weights in double precision, made once: a row takes as long as that."""
        return self.weights.map(lambda w: w.astype(np.float64))

    def variances(self, outputs: np.ndarray) -> np.ndarray:
        """Variances (n, T) of targets that have one, in their own units; of others 0."""
        variances = np.zeros(outputs.shape[:2])
        for target, kind in enumerate(self.kinds):
            if kind.has_variance:
                scaled = kind.variance(outputs[:, target])
                variances[:, target] = scaled * self.targets.scale[target] ** 2
        return variances

    def quantiles(self, outputs: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        """Quantiles (n, T, Q) of these levels, in own units; of targets without any NaN."""
        quantiles = np.full((*outputs.shape[:2], len(levels)), np.nan)
        for target, kind in enumerate(self.kinds):
            if kind.levels == levels:
                scaled = kind.quantiles(outputs[:, target, : len(levels)])
                of_target = scaled * self.targets.scale[target]
                quantiles[:, target] = of_target + self.targets.mean[target]
        return quantiles

    def probabilities(self, outputs: np.ndarray) -> list[np.ndarray]:
        """Probabilities (n, C) of every target's classes."""
        return [
            kind.probabilities(outputs[:, target, : kind.n_outputs])
            for target, kind in enumerate(self.kinds)
        ]

    @cached_property
    def _activated(self):
        masks = by_activation(self.kinds).items()
        return [(OUTPUT_ACTIVATIONS[name][0], columns) for name, columns in masks]

    def __getstate__(self):
        fields = {field.name for field in dataclasses.fields(self)}
        return {name: v for name, v in vars(self).items() if name in fields}

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Targets (n, T) in their own units from outputs, which may be overwritten."""
        predictions = outputs[..., 0]
        for function, columns in self._activated:
            predictions[:, columns] = function(predictions[:, columns])
        return self.targets.undo(predictions)
