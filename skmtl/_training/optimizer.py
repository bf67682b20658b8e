"""Keras optimizers inside a compiled loop."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from .._messages import did_you_mean
from .._third_party import adam_moments, moving_averages, replace_step, take_single_replica

# The moving average of weights starts with less momentum: at most (1 + t) / (warm_up + t)
# after t steps, as in tf.train.ExponentialMovingAverage. Else the first steps would linger.
EMA_WARM_UP = 10.0
NO_WARM_UP = 1.0
# Settings of Adam and AdamW that are left to Keras, if they are given.
NOT_PLAIN = (
    "amsgrad",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "gradient_accumulation_steps",
    "loss_scale_factor",
    "ema_overwrite_frequency",
)


@dataclass(frozen=True)
class OptimizerConfig:
    """What a program compiles of an optimizer; equal ones share it."""

    json: str
    # Classes that are not Keras' own, by name: a class that is defined anew has the same.
    classes: tuple[tuple[str, type], ...] = ()

    def instance(self) -> keras.optimizers.Optimizer:
        with keras.saving.custom_object_scope(dict(self.classes)):
            return keras.saving.deserialize_keras_object(json.loads(self.json))


class OptimizerChoice(NamedTuple):
    """An optimizer as the program sees it: what it compiles, and its run-time values."""

    config: OptimizerConfig
    learning_rate: float
    weight_decay: float
    ema_momentum: float
    ema_warm_up: float

    def instance(self) -> keras.optimizers.Optimizer:
        optimizer = self.config.instance()
        if not has_schedule(optimizer):
            optimizer.learning_rate = self.learning_rate
        optimizer.ema_momentum = self.ema_momentum
        return optimizer


def choose_optimizer(
    optimizer: str | keras.optimizers.Optimizer,
    learning_rate: float,
    weight_decay: float,
    ema_momentum: float,
) -> OptimizerChoice:
    """An optimizer of that name with these values, or the instance with its own."""
    if isinstance(optimizer, keras.optimizers.Optimizer):
        scheduled = has_schedule(optimizer)
        return OptimizerChoice(
            _config(optimizer),
            0.0 if scheduled else float(optimizer.learning_rate.value.numpy()),
            float(optimizer.weight_decay or 0.0),
            float(optimizer.ema_momentum),
            NO_WARM_UP,
        )
    if not isinstance(optimizer, str):
        raise TypeError(
            "optimizer must be the name of a Keras optimizer or an instance of one, got "
            f"{optimizer!r}."
        )
    return OptimizerChoice(
        _config_of_name(optimizer, use_ema=ema_momentum > 0),
        float(learning_rate),
        float(weight_decay),
        float(ema_momentum),
        EMA_WARM_UP,
    )


@lru_cache
def _config_of_name(name: str, use_ema: bool) -> OptimizerConfig:
    return _config(optimizer_class(name)(use_ema=use_ema))


def optimizer_class(name: str) -> type[keras.optimizers.Optimizer]:
    """The Keras optimizer of that name, in whatever case."""
    known = _optimizers_by_name()
    if name.lower() not in known:
        raise ValueError(
            f"optimizer={name!r} is not the name of a Keras optimizer."
            f"{did_you_mean(name, known)} Known names: {', '.join(known)}."
        )
    return known[name.lower()]


def _config(optimizer: keras.optimizers.Optimizer) -> OptimizerConfig:
    """Class and settings, without what is a run-time value of the program."""
    config = keras.saving.serialize_keras_object(optimizer)
    run_time = {"name", "weight_decay", "ema_momentum"}
    if not has_schedule(optimizer):
        run_time.add("learning_rate")
    config["config"] = {k: v for k, v in config["config"].items() if k not in run_time}
    found = {name: keras.saving.get_registered_object(name) for name in _names(config)}
    found |= {name: kind for name, kind in _classes(optimizer) if name in found}
    classes = tuple((name, found[name]) for name in sorted(found) if found[name])
    return OptimizerConfig(json.dumps(config, sort_keys=True), classes)


def _names(config) -> Iterator[str]:
    """Names that classes and functions in a configuration are registered by in Keras.

    Those of Keras itself have none.
    """
    if isinstance(config, dict):
        if isinstance(config.get("registered_name"), str):
            yield config["registered_name"]
        config = list(config.values())
    if isinstance(config, list | tuple):
        for part in config:
            yield from _names(part)


def _classes(thing) -> Iterator[tuple[str, type]]:
    """The class of an optimizer, those of the schedules and optimizers in it, and names."""
    # Not looked up by name: since this optimizer was made, another class may have been
    # registered by the same name, as when a notebook's cell is run again.
    yield keras.saving.get_registered_name(type(thing)), type(thing)
    kinds = keras.optimizers.Optimizer, keras.optimizers.schedules.LearningRateSchedule
    for part in vars(thing).values():
        if isinstance(part, kinds):
            yield from _classes(part)


def _optimizers_by_name() -> dict[str, type]:
    known = {
        name.lower(): value
        for name, value in vars(keras.optimizers).items()
        if isinstance(value, type) and issubclass(value, keras.optimizers.Optimizer)
    }
    wrappers = {"optimizer", "lossscaleoptimizer", "multioptimizer"}
    return {name: known[name] for name in sorted(known.keys() - wrappers)}


def has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the learning rate follows a schedule instead of being a number."""
    return not isinstance(optimizer.learning_rate, keras.Variable)


def compiled_optimizer(
    config: OptimizerConfig,
    shapes: Sequence[tuple[int, ...]],
    is_kernel: Sequence[bool],
) -> CompiledOptimizer:
    """An optimizer of weights of these shapes, of which kernels decay."""
    made = config.instance()
    is_plain = not has_schedule(made) and not any(getattr(made, s, None) for s in NOT_PLAIN)
    is_adam = type(made) in (keras.optimizers.Adam, keras.optimizers.AdamW)
    kind = PlainAdam if is_adam and is_plain else CompiledOptimizer
    return kind(config, shapes, is_kernel)


class CompiledOptimizer:
    """An optimizer of Keras as a function: tensors in, tensors out.

    Its rates are arguments of every step. Keras changes variables in place, which are
    filled from the tensors before a step, and read after it.
    """

    def __init__(
        self,
        config: OptimizerConfig,
        shapes: Sequence[tuple[int, ...]],
        is_kernel: Sequence[bool],
    ):
        self._weights = _numbered_weights(shapes, 0.5)
        self._optimizer = config.instance()
        # Keras sums gradients over replicas. There is one, and every trace of that sum
        # stays in a registry of TensorFlow's for the life of the process (2-4 MB).
        take_single_replica(self._optimizer)
        # Adam, AdamW and subclasses that step as they do take a step of ours instead. It
        # computes the same, and a first fit is quicker by it.
        takes_adams_step = (
            type(self._optimizer).update_step is keras.optimizers.Adam.update_step
        )
        if takes_adams_step and not self._optimizer.amsgrad:
            replace_step(self._optimizer, self._adam_step)
        # Biases do not decay, as only kernels make a function steeper.
        not_decayed = [
            w for w, kernel in zip(self._weights, is_kernel, strict=True) if not kernel
        ]
        self._optimizer.exclude_from_weight_decay(var_list=not_decayed)
        self._optimizer.build(self._weights)
        self._scheduled = has_schedule(self._optimizer)
        # The learning rate is set anew before every step, so it is no part of the state.
        learning_rate = self._optimizer.learning_rate
        variables = list(self._optimizer.variables)
        self.state = [v for v in variables if v is not learning_rate]
        # All that a step changes in place.
        self.variables = [*self._weights, *variables]
        self.names = [v.name for v in self.state]
        # Keras names a variable after the weight that it belongs to.
        owners = [re.match(r"weight_(\d+)_", v.name) for v in self.state]
        self.owners = [int(owner[1]) if owner else None for owner in owners]
        self._first_state = [v.value.numpy() for v in self.state]
        self._copied = self._find_copies(config, shapes)
        averages = moving_averages(self._optimizer) if self.averages else []
        self.average_slots = [
            next(i for i, v in enumerate(self.state) if v is average)
            for average in averages
        ]

    @property
    def averages(self) -> bool:
        """Whether it keeps a moving average of the weights."""
        return self._optimizer.use_ema

    def _find_copies(self, config, shapes) -> list[int | None]:
        """For each variable, the number of the weight that it starts as a copy of, or None.

        A moving average of a weight starts so, and an optimizer of a user's own may have
        other copies.
        """
        # The optimizer is built once, for stand-ins of the weights that are to come: number
        # i is filled with i + 0.5. A variable that is filled with i + 0.5 may be its copy,
        # or a setting that happens to be this number. So a second optimizer is built for
        # stand-ins of other numbers: copies follow them, settings do not.
        other = config.instance()
        other.build(_numbered_weights(shapes, -0.25))
        rate = other.learning_rate
        states = (v for v in other.variables if v is not rate)
        copied = []
        for first, second in zip(self._first_state, states, strict=True):
            weight = round(float(first.flat[0]) - 0.5) if first.size else -1
            is_copy = (
                0 <= weight < len(shapes)
                and (first == weight + 0.5).all()
                and (second.value.numpy() == weight - 0.25).all()
            )
            copied.append(weight if is_copy else None)
        return copied

    def initial_state(self, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The state of a new optimizer for these weights."""
        return [
            value if copied is None else weights[copied]
            for value, copied in zip(self._first_state, self._copied, strict=True)
        ]

    def averaged_weights(self, weights, state) -> list:
        """The weights to evaluate and keep: their moving average if there is one."""
        return [state[slot] for slot in self.average_slots] if self.averages else weights

    def scale_loss(self, loss, state):
        """The loss to take gradients of: some optimizers scale it, so that none is 0."""
        _fill(self.state, state)
        return self._optimizer.scale_loss(loss)

    def step(self, weights, state, gradients, settings) -> tuple[list, list]:
        """New weights, and a new state; the rates are those of the program's `Settings`."""
        _fill([*self._weights, *self.state], [*weights, *state])
        # Keras expects numbers for some of these. It also computes with tensors, so that
        # other rates need no other program.
        if not self._scheduled:
            self._optimizer.learning_rate.assign(settings.learning_rate)
        self._optimizer.weight_decay = settings.weight_decay
        self._optimizer.ema_momentum = _ema_momentum(self._optimizer.iterations, settings)
        self._optimizer.apply(gradients, self._weights)
        return _values(self._weights), _values(self.state)

    def _adam_step(self, gradients, weights, learning_rate) -> None:
        """The step of Keras' Adam for all weights, with less to trace and to compile."""
        # Keras computes this rate anew for every weight.
        rate = _adam_rate(self._optimizer, learning_rate, self._optimizer.iterations)
        for gradient, weight in zip(gradients, weights, strict=True):
            m, v = adam_moments(self._optimizer, weight)
            stepped = _adam(self._optimizer, weight, m, v, gradient, rate)
            _fill([weight, m, v], stepped)


class PlainAdam(CompiledOptimizer):
    """Adam, the default optimizer, with decay and moving averages of the weights.

    It computes what Keras' Adam and AdamW do, without variables, which take TensorFlow
    longer to trace.
    """

    def __init__(self, config, shapes, is_kernel):
        super().__init__(config, shapes, is_kernel)
        self.variables = []
        self._decays = is_kernel

    def scale_loss(self, loss, state):
        return loss

    def step(self, weights, state, gradients, settings) -> tuple[list, list]:
        if all(gradient is None for gradient in gradients):
            raise ValueError(
                "There is no gradient to follow, as the loss does not depend on what the "
                "network puts out. Compute it from y_pred, by operations of TensorFlow or "
                "Keras."
            )
        # In the order of Keras' variables: states of an older skmtl are in it, too.
        n_averages = len(self.average_slots)
        n_steps, averages = state[0], state[1 : 1 + n_averages]
        moments = iter(state[1 + n_averages :])
        rate = _adam_rate(self._optimizer, settings.learning_rate, n_steps)
        new_weights, new_moments = [], []
        for w, g, decays in zip(weights, gradients, self._decays, strict=True):
            m, v = next(moments), next(moments)
            if g is not None:
                w -= w * settings.weight_decay * settings.learning_rate * decays
                w, m, v = _adam(self._optimizer, w, m, v, g, rate)
            new_weights.append(w)
            new_moments += [m, v]
        momentum = _ema_momentum(n_steps, settings) * ops.cast(n_steps > 0, "float32")
        averages = [
            momentum * average + (1 - momentum) * w
            for average, w in zip(averages, new_weights, strict=False)
        ]
        return new_weights, [n_steps + 1, *averages, *new_moments]


def _adam_rate(adam, learning_rate, n_steps):
    """The rate of a step, larger at first: moments start at 0, and so are too small."""
    n_steps = ops.cast(n_steps + 1, "float32")
    rate = learning_rate * (1 - adam.beta_2**n_steps) ** 0.5
    return rate / (1 - adam.beta_1**n_steps)


def _adam(adam, weight, m, v, gradient, rate):
    """A weight and its moments after a step of Adam (Kingma & Ba 2015, algorithm 1)."""
    m = m + (1 - adam.beta_1) * (gradient - m)
    v = v + (1 - adam.beta_2) * (gradient**2 - v)
    # A root is written as a power: TensorFlow takes long over handing a root to XLA, which
    # makes a root of the power.
    return weight - rate * m / (v**0.5 + adam.epsilon), m, v


def _ema_momentum(n_steps, settings):
    n_steps = ops.cast(n_steps, "float32")
    warm_up = (1 + n_steps) / (settings.ema_warm_up + n_steps)
    return ops.minimum(settings.ema_momentum, warm_up)


def _fill(variables, values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _values(variables) -> list:
    return [ops.copy(v.value) for v in variables]


def _numbered_weights(shapes, first: float) -> list[keras.Variable]:
    """Stand-ins for weights: number i, from 0 on, is filled with i + first."""
    return [
        keras.Variable(np.full(shape, i + first), dtype="float32", name=f"weight_{i}")
        for i, shape in enumerate(shapes)
    ]
