"""Keras callbacks around a compiled loop: they see every epoch, and no batch."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from ._keras_model import get_weights, set_weights
from ._optimizer import OptimizerChoice
from ._program import Settings

BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


def check_callbacks(callbacks: Sequence) -> None:
    """Refuse what is no callback, and callbacks that want to be called at every batch."""
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                f"callbacks must hold instances of keras.callbacks.Callback, got "
                f"{callback!r}."
            )
        hooks = [hook for hook in BATCH_HOOKS if _overrides(callback, hook)]
        if hooks and not _works_per_epoch(callback):
            raise ValueError(
                f"The callback {type(callback).__name__} wants to be called at every batch "
                f"({', '.join(hooks)}), but whole epochs run in one compiled program. Use "
                "its hooks on_epoch_begin and on_epoch_end instead, or train "
                "`model_` with Keras' own fit."
            )


def _overrides(callback, hook: str) -> bool:
    of_class = getattr(type(callback), hook)
    return of_class is not getattr(keras.callbacks.Callback, hook) or hook in vars(callback)


def _works_per_epoch(callback) -> bool:
    """Set so, ModelCheckpoint and TensorBoard have batch hooks that do nothing."""
    return "epoch" in (
        getattr(callback, "save_freq", None),
        getattr(callback, "update_freq", None),
    )


class EpochCallbacks:
    """Runs callbacks with a model that is current, and takes over what they change in it.

    Between epochs the model is the truth: a callback may set its weights, its
    optimizer's learning rate, or ``stop_training``.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        model: keras.Model,
        optimizer: OptimizerChoice,
        epochs: int,
    ):
        check_callbacks(callbacks)
        model.compile(optimizer.instance(), auto_scale_loss=False)
        self.stop_training = model.stop_training = False
        self._model = model
        self._logs: dict[str, float] = {}
        self._epoch = 0
        self._callbacks = keras.callbacks.CallbackList(
            list(callbacks), model=model, epochs=epochs, steps=None, verbose=0
        )
        self._callbacks.on_train_begin()

    def begin_epoch(self, settings: Settings) -> Settings:
        self._callbacks.on_epoch_begin(self._epoch)
        learning_rate = float(self._model.optimizer.learning_rate)
        return settings._replace(learning_rate=learning_rate)

    def end_epoch(self, weights: Sequence, logs: dict[str, float]) -> list[np.ndarray]:
        """The weights to go on with."""
        set_weights(self._model, weights)
        self._callbacks.on_epoch_end(self._epoch, logs)
        self._logs = logs
        self._epoch += 1
        self.stop_training = self._model.stop_training
        return self._weights_like(weights)

    def finish(self, weights: Sequence) -> list[np.ndarray]:
        """The weights to keep."""
        set_weights(self._model, weights)
        self._callbacks.on_train_end(self._logs)
        return self._weights_like(weights)

    def _weights_like(self, weights: Sequence) -> list[np.ndarray]:
        return get_weights(self._model, [w.shape for w in weights])
