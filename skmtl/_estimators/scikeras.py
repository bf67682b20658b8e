"""The bridge to Keras' own training loop. The one file that knows scikeras."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import RegressorTags
from sklearn.utils.validation import check_is_fitted

from .._runtime.forks import check_not_forked, refuse_after_fork
from .._tables.features import check_features
from .._tables.holes_and_weights import weights_of
from .._tables.targets import check_same_targets, check_targets
from .._training import build_keras_model, mean_loss, optimizer_class
from ..metrics import r2_score
from .automatic import course_of
from .reading import read_table
from .training_plan import loss_weights


@contextmanager
def _copying_left_alone() -> Iterator[None]:
    """scikeras changes how Keras objects are copied, and loses settings of losses."""
    classes = (
        keras.Model,
        keras.losses.Loss,
        keras.metrics.Metric,
        keras.optimizers.Optimizer,
    )
    before = [vars(cls).get("__reduce__") for cls in classes]
    yield
    for cls, reduce in zip(classes, before, strict=True):
        if reduce is not None:
            cls.__reduce__ = reduce
        elif "__reduce__" in vars(cls):
            del cls.__reduce__


try:
    with _copying_left_alone():
        from scikeras.wrappers import KerasRegressor
except Exception as error:  # it reaches into Keras, where anything may be missing
    raise ImportError(
        "to_scikeras needs scikeras 0.13, which could not be imported beside the installed "
        "Keras and scikit-learn. Try pip install 'scikeras>=0.13,<0.14'."
    ) from error


def bridge(estimator, **kwargs):
    """What `MultiTaskRegressor.to_scikeras` returns."""
    check_not_forked()
    if estimator.n_members > 1:
        raise ValueError(
            "to_scikeras trains one network, but n_members="
            f"{estimator.n_members}: set n_members=1."
        )
    parameters = {
        "epochs": course_of(estimator, n_rows=0).epochs,
        "batch_size": 32 if estimator.batch_size == "auto" else estimator.batch_size,
        "callbacks": estimator.callbacks,
        "verbose": estimator.verbose,
    }
    if "optimizer" not in kwargs:
        parameters["optimizer"] = estimator.optimizer
        if isinstance(estimator.optimizer, str):
            parameters["optimizer"] = optimizer_class(estimator.optimizer)
            rate = course_of(estimator, n_rows=0).learning_rate
            parameters["optimizer__learning_rate"] = rate
            if estimator.weight_decay:
                parameters["optimizer__weight_decay"] = estimator.weight_decay
            if estimator.ema_momentum:
                parameters["optimizer__use_ema"] = True
                parameters["optimizer__ema_momentum"] = estimator.ema_momentum
    # Frozen, an estimator keeps its weights when scikit-learn clones its parameters.
    source = copy.deepcopy(estimator)
    if estimator.__sklearn_is_fitted__():
        source = FrozenEstimator(source)
    elif hasattr(estimator.init_trunk, "get_params"):
        source.set_params(init_trunk=FrozenEstimator(estimator.init_trunk))
    return KerasMultiTaskRegressor(source, **(parameters | kwargs))


class KerasMultiTaskRegressor(KerasRegressor):
    """The network of a `MultiTaskRegressor`, trained by ``keras.Model.fit``.

    The Keras model takes raw features and gives scaled outputs. Its y is packed: scaled
    targets and cell weights side by side, (n, 2 T), since scikeras refuses NaN.
    """

    def __init__(self, estimator, **kwargs):
        super().__init__(**kwargs)
        self.estimator = estimator

    def __sklearn_tags__(self):
        # scikeras has its mixin to the right of BaseEstimator, where it sets no tags.
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X, y, sample_weight=None, **kwargs):
        check_not_forked()
        source = self.estimator
        if isinstance(source, FrozenEstimator):
            source = source.estimator
        self.prepared_ = copy.deepcopy(source)
        self.prepared_._validate_params()
        fitted = source.__sklearn_is_fitted__()
        table = read_table(self.prepared_, X, y, sample_weight, resume=fitted)
        if not fitted:
            self.prepared_._start(table)
        return super().fit(*self._packed(table), **kwargs)

    def partial_fit(self, X, y, sample_weight=None, **kwargs):
        check_not_forked()
        if not self.initialized_:
            return self.fit(X, y, sample_weight, epochs=1, **kwargs)
        table = read_table(self.prepared_, X, y, sample_weight, resume=True)
        return super().partial_fit(*self._packed(table), **kwargs)

    def predict(self, X, **kwargs):
        check_is_fitted(self, "model_")
        check_not_forked()
        X = check_features(self.prepared_, X, reset=False)
        outputs = self._predict_raw(X.astype(np.float32), **kwargs)
        network = self.prepared_._network
        shape = -1, network.architecture.n_targets, network.architecture.n_outputs
        Y = network.decode(outputs.astype(np.float64).reshape(shape))
        return Y[:, 0] if self.prepared_._one_dimensional else Y

    def score(self, X, y, sample_weight=None):
        Y, _ = check_targets(y, estimator=self)
        names = self.prepared_.target_names_
        check_same_targets(y, Y, names)
        predicted = self.predict(X).reshape(Y.shape)
        if sample_weight is not None:
            sample_weight = weights_of(sample_weight, names)
        return r2_score(Y, predicted, sample_weight=sample_weight)

    def __getstate__(self):
        # As arrays: Keras could not find the loss of a model that it reads from a file.
        state = dict(super().__getstate__())
        model = state.pop("model_", None)
        if model is not None:
            state["_variables"] = [
                [v.value.numpy() for v in variables]
                for variables in (model.variables, model.optimizer.variables)
            ]
        return state

    def __setstate__(self, state):
        saved = state.pop("_variables", None)
        super().__setstate__(state)
        if saved is not None:
            self.model_ = self._build_keras_model()
            self.model_.optimizer.build(self.model_.trainable_variables)
            variables = [*self.model_.variables, *self.model_.optimizer.variables]
            for variable, value in zip(variables, saved[0] + saved[1], strict=True):
                variable.assign(value)

    @property
    def target_encoder(self):
        return FunctionTransformer()  # the targets are encoded before scikeras sees them

    def _packed(self, table):
        _, Y, W = self.prepared_._network.encode(table.X, table.Y, table.W)
        return table.X.astype(np.float32), np.hstack([Y, W]).astype(np.float32)

    def _keras_build_fn(self, compile_kwargs):
        prepared = self.prepared_
        model = build_keras_model(prepared._network, prepared.dropout, scaled_outputs=True)
        if prepared.freeze_trunk:
            for layer in model.layers:
                if layer.name.startswith(("trunk_", "embeddings", "embedded")):
                    layer.trainable = False
        balancing, weights = loss_weights(prepared.loss_weights, prepared.target_names_)
        if balancing:
            raise ValueError(
                f"loss_weights={balancing!r} is not available in Keras' own training; give "
                "numbers or None."
            )
        optimizer = compile_kwargs["optimizer"]
        if optimizer is self.optimizer:  # the user's instance, which is to stay as it is
            optimizer = type(optimizer).from_config(optimizer.get_config())
        biases = [v for v in model.trainable_variables if v.name == "bias"]
        optimizer.exclude_from_weight_decay(var_list=biases)
        loss = mean_loss(prepared._fitted_losses, weights)
        model.compile(**(compile_kwargs | {"loss": loss, "optimizer": optimizer}))
        return refuse_after_fork(model)
