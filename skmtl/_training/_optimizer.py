"""Keras optimizers inside a compiled loop."""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

import keras


class OptimizerChoice(NamedTuple):
    """An optimizer as the program sees it: what it compiles, and two run-time values."""

    config: str
    learning_rate: float
    weight_decay: float

    def instance(self) -> keras.optimizers.Optimizer:
        optimizer = keras.optimizers.deserialize(json.loads(self.config))
        if not has_schedule(optimizer):
            optimizer.learning_rate = self.learning_rate
        return optimizer


def choose_optimizer(
    optimizer: str | keras.optimizers.Optimizer,
    learning_rate: float,
    weight_decay: float,
) -> OptimizerChoice:
    """An optimizer of that name with these values, or the instance with its own."""
    if isinstance(optimizer, keras.optimizers.Optimizer):
        scheduled = has_schedule(optimizer)
        return OptimizerChoice(
            _config(optimizer),
            0.0 if scheduled else float(optimizer.learning_rate),
            float(optimizer.weight_decay or 0.0),
        )
    if not isinstance(optimizer, str):
        raise TypeError(
            "optimizer must be the name of a Keras optimizer or an instance of one, got "
            f"{optimizer!r}."
        )
    return OptimizerChoice(
        _config_of_name(optimizer), float(learning_rate), float(weight_decay)
    )


@lru_cache
def _config_of_name(name: str) -> str:
    try:
        return _config(keras.optimizers.get(name))
    except ValueError:
        near = get_close_matches(str(name).lower(), _names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"optimizer={name!r} is not the name of a Keras optimizer.{hint} Known "
            f"names: {', '.join(_names())}."
        ) from None


def _config(optimizer: keras.optimizers.Optimizer) -> str:
    """Class and settings as JSON, less what is a run-time value of the program."""
    config = keras.optimizers.serialize(optimizer)
    run_time = {"name", "weight_decay"}
    if not has_schedule(optimizer):
        run_time.add("learning_rate")
    config["config"] = {k: v for k, v in config["config"].items() if k not in run_time}
    return json.dumps(config, sort_keys=True)


def _names() -> list[str]:
    known = vars(keras.optimizers).values()
    optimizers = {
        c.__name__.lower()
        for c in known
        if isinstance(c, type) and issubclass(c, keras.optimizers.Optimizer)
    }
    return sorted(optimizers - {"optimizer", "lossscaleoptimizer"})


def has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the learning rate follows a schedule instead of being a number."""
    return not isinstance(optimizer._learning_rate, keras.Variable)


def build_optimizer(config: dict, weights: list[keras.Variable]):
    optimizer = keras.optimizers.deserialize(config)
    # Keras sums gradients over replicas. There is one, and every trace of that sum stays
    # in a registry of TensorFlow's for the life of the process (2-4 MB).
    optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    biases = weights[1::2]
    optimizer.exclude_from_weight_decay(var_list=biases)
    optimizer.build(weights)
    return CompiledOptimizer(optimizer, weights)


class CompiledOptimizer:
    """An optimizer whose learning rate and weight decay are arguments of every step."""

    def __init__(self, optimizer, weights):
        self._optimizer = optimizer
        self._weights = weights
        self._scheduled = has_schedule(optimizer)

    def state_variables(self) -> list:
        learning_rate = self._optimizer._learning_rate
        return [v for v in self._optimizer.variables if v is not learning_rate]

    def step(self, gradients, learning_rate, weight_decay):
        if not self._scheduled:
            self._optimizer.learning_rate.assign(learning_rate)
        self._optimizer.weight_decay = weight_decay
        self._optimizer.apply(gradients, self._weights)
