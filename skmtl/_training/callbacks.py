"""Keras callbacks around a compiled loop: they see every epoch, and no batch."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from io import IOBase

import keras
import numpy as np
import tensorflow as tf

from .keras_model import get_weights, set_weights
from .optimizer import OptimizerChoice
from .precision import single_precision
from .spec import Settings, State

BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


def check_callbacks(callbacks: Sequence) -> None:
    """Raise an error for what is no callback, and for those that look at every batch."""
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
                "its hooks on_epoch_begin and on_epoch_end instead, or `to_scikeras` for "
                "Keras' own training."
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
        settings: Settings,
    ):
        check_callbacks(callbacks)
        # Callbacks look at ``model.optimizer``, which takes no step: the program's does.
        with single_precision():
            model.compile(optimizer.instance(), auto_scale_loss=False)
            # Else a saved model would not load.
            model.optimizer.build(model.trainable_variables)
        self.stop_training = model.stop_training = False
        self._model = model
        self._n_weights = len(model.trainable_variables)
        self._validation = settings.n_validation > 0
        self._before = [(callback, dict(vars(callback))) for callback in callbacks]
        self._logs: dict[str, float] = {}
        self._epoch = 0
        self._callbacks = keras.callbacks.CallbackList(
            list(callbacks), model=model, epochs=settings.n_epochs, steps=None, verbose=0
        )

    def __enter__(self) -> EpochCallbacks:
        try:
            self._callbacks.on_train_begin()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self._release()

    def begin_epoch(self, state: State, settings: Settings) -> tuple[State, Settings]:
        """What to start the epoch from."""
        self._callbacks.on_epoch_begin(self._epoch)
        learning_rate = self._model.optimizer.learning_rate
        if isinstance(learning_rate, keras.Variable):
            learning_rate = learning_rate.value
        return (
            self._with_weights_of_model(state),
            settings._replace(learning_rate=float(learning_rate.numpy())),
        )

    def end_epoch(self, state: State, logs: dict[str, float]) -> State:
        """What to go on from."""
        set_weights(self._model, state.weights[: self._n_weights])
        self._callbacks.on_epoch_end(self._epoch, logs)
        self._logs = logs
        self._epoch += 1
        self.stop_training = self._model.stop_training
        return self._with_weights_of_model(state)

    def finish(self, weights: Sequence) -> list[np.ndarray]:
        """The weights to keep, after callbacks have seen the end and maybe changed them."""
        n = self._n_weights
        set_weights(self._model, weights[:n])
        self._callbacks.on_train_end(self._logs)
        return [*get_weights(self._model, [w.shape for w in weights[:n]]), *weights[n:]]

    def _release(self) -> None:
        """Take from the callbacks what keeps an estimator from being copied or pickled.

        That is the model, and whatever training has left in them that cannot be pickled,
        such as an open file. All else that they have collected, such as a history, stays.
        """
        for callback, before in self._before:
            keras.callbacks.Callback.set_model(callback, None)
            for name, value in dict(vars(callback)).items():
                old = before.get(name, before)
                if value is old or _can_be_pickled(value):
                    continue
                if isinstance(value, IOBase):  # training was interrupted
                    value.close()
                if old is before:  # there was none
                    delattr(callback, name)
                else:
                    setattr(callback, name, old)

    def _with_weights_of_model(self, state: State) -> State:
        """The state, with the weights of the model if a callback has set others."""
        before = [np.array(w) for w in state.weights[: self._n_weights]]
        weights = get_weights(self._model, [w.shape for w in before])
        if all(map(np.array_equal, weights, before)):
            return state
        weights = [*map(tf.constant, weights), *state.weights[self._n_weights :]]
        # Without validation rows, the weights to keep are the last ones.
        kept = state.kept_weights if self._validation else weights
        return state._replace(weights=weights, kept_weights=kept)


def _can_be_pickled(value) -> bool:
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True
