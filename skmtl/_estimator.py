"""The estimator: parameters, what they mean, and scikit-learn's methods."""

from __future__ import annotations

import copy
import dataclasses
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._activations import ACTIVATIONS
from ._features import check_features
from ._network import Architecture, Network, initial_weights
from ._scaling import Scaling
from ._targets import (
    cell_weights,
    check_observed,
    check_same_targets,
    check_targets,
    hold_out,
    target_names,
)
from .metrics import r2_score


class MultiTaskRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """One neural network for several targets: a shared trunk and a head per target.

    The hidden layers are ``trunk_sizes + head_sizes``. The first `sharing_depth` of them
    are shared by all targets (the trunk), the others exist once per target (the heads),
    and a linear output per target follows. How much to share is thus one number to
    search over. For ``trunk_sizes=(64, 64)``, ``head_sizes=(32,)`` and T targets::

        sharing_depth=0   T x [64 -> 64 -> 32 -> 1]     separate networks
        sharing_depth=1   64 -> T x [64 -> 32 -> 1]
        sharing_depth=2   64 -> 64 -> T x [32 -> 1]     as the two tuples spell out
        sharing_depth=3   64 -> 64 -> 32 -> T x [1]     one network with T outputs

    Training minimises the mean over targets of the weighted mean squared error on the
    observed cells, in units of each target's standard deviation::

        L = 1/T  sum_t  sum_i w_it m_it (y_it - f_t(x_i))^2 / sum_i w_it m_it

    with the sample weights w, m_it = 1 where target t of row i is observed (not NaN) and
    0 elsewhere, and f_t the output for target t (Caruana 1997). So a target that is
    observed in half of the rows counts as much as any other.

    Parameters
    ----------
    trunk_sizes : tuple of int, default=(64, 64)
        Units of each hidden layer before the default split. May be empty.

    head_sizes : tuple of int, default=(32,)
        Units of each hidden layer after the default split, for one target. May be empty.

    sharing_depth : int or None, default=None
        Number of first hidden layers that all targets share, from 0 (a separate network
        for each target) to ``len(trunk_sizes) + len(head_sizes)`` (only the outputs are
        separate). None means ``len(trunk_sizes)``.

    activation : {"relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", \
            "softplus", "tanh", "sigmoid", "linear"}, default="relu"
        Activation function of the hidden layers, by its name in Keras.

    dropout : float in [0, 1), default=0.0
        Share of every hidden layer's units that a training step leaves out at random.

    optimizer : str or keras.optimizers.Optimizer, default="adam"
        A Keras optimizer. An instance is used with its own learning rate (a number or a
        schedule), weight decay and further settings, and is not changed itself.

    learning_rate : float, default=1e-3
        Step size. Does nothing if `optimizer` is an instance.

    weight_decay : float, default=0.0
        Decoupled weight decay (Loshchilov & Hutter 2019): every step multiplies the
        kernels by ``1 - learning_rate * weight_decay``, and leaves the biases alone. Does
        nothing if `optimizer` is an instance, whose own weight decay then applies.

    epochs : int, default=200
        Passes over the training rows; with `early_stopping` the most there can be.

    batch_size : int or "auto", default="auto"
        Rows per optimiser step. "auto" is 32 for up to 8192 training rows and grows in
        proportion from there, in powers of two, up to 1024.

    early_stopping : bool, default=True
        Hold out `validation_fraction` of the rows that `fit` is given, stop after
        `n_iter_no_change` epochs without a better loss on them, and keep the weights of
        the best epoch. Separate networks (sharing depth 0) each stop on their own target
        and keep their own best epoch.

    validation_fraction : float in (0, 1), default=0.1
        Share of rows to hold out. Does nothing if `early_stopping` is False.

    n_iter_no_change : int, default=20
        Patience in epochs. Does nothing if `early_stopping` is False.

    scale_features : bool, default=True
        Standardise the features with the rows given to `fit`.

    scale_targets : bool, default=True
        Standardise each target with its observed rows. Without it a target in large
        units dominates the loss.

    warm_start : bool, default=False
        Let `fit` go on from the present weights, optimizer state and scaling.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Called at the start and end of training and of every epoch, with the entries of
        `history_` as logs and a model that holds the current weights. What they set is
        taken over: weights, ``model.optimizer.learning_rate``, ``model.stop_training``.
        A callback for batches is refused: an epoch is one call of a compiled program.

    verbose : int, default=0
        1 shows a progress bar with the losses; 0 prints nothing.

    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the rows held out, the order of the rows and
        dropout. The global state of NumPy, Python and TensorFlow is neither used nor
        changed.

    Attributes
    ----------
    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it was a DataFrame with string names.

    n_outputs_ : int
        Number of targets T.

    target_names_ : ndarray of shape (n_outputs_,)
        Column names of y if it was a DataFrame, else ``target_0``, ``target_1``, ...

    history_ : dict of list of float
        One entry per epoch: ``loss`` (mean over targets) and ``loss_<target>`` during the
        epoch and, on the rows held out, ``val_loss`` and ``val_loss_<target>`` after it.
        In units of the targets' variances if `scale_targets`. NaN where an epoch had no
        rows held out but others had.

    n_iter_ : int
        Number of epochs run.

    model_ : keras.Model
        The fitted network as a Keras model of its own, in standard layers: raw features
        in, targets in their own units out. Built when first asked for.

    See Also
    --------
    sklearn.neural_network.MLPRegressor : One network with every hidden layer shared.
    sklearn.multioutput.MultiOutputRegressor : Any estimator, once per target.

    References
    ----------
    R. Caruana, "Multitask Learning", Machine Learning 28, 41-75 (1997).

    I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR (2019).

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from sklearn.model_selection import GridSearchCV
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> search = GridSearchCV(
    ...     MultiTaskRegressor(epochs=20, random_state=0), {"sharing_depth": [0, 1, 2, 3]}
    ... )
    >>> search.fit(X, y).predict(X[:2]).shape
    (2, 2)
    """

    _parameter_constraints: ClassVar[dict] = {
        "trunk_sizes": ["array-like"],
        "head_sizes": ["array-like"],
        "sharing_depth": [None, Interval(Integral, 0, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "optimizer": "no_validation",  # checked in training, which imports Keras
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "scale_features": ["boolean"],
        "scale_targets": ["boolean"],
        "warm_start": ["boolean"],
        "callbacks": [None, list, tuple],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        trunk_sizes=(64, 64),
        head_sizes=(32,),
        sharing_depth=None,
        activation="relu",
        dropout=0.0,
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=0.0,
        epochs=200,
        batch_size="auto",
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=20,
        scale_features=True,
        scale_targets=True,
        warm_start=False,
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.trunk_sizes = trunk_sizes
        self.head_sizes = head_sizes
        self.sharing_depth = sharing_depth
        self.activation = activation
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.scale_features = scale_features
        self.scale_targets = scale_targets
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        """Train the network.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: finite numbers.
        y : array-like or DataFrame of shape (n, T), or (n,)
            Targets. NaN means "not observed": the cell has no influence. Rows without
            any observed target are left out with a warning.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            How much each row, or each cell, counts; not negative. Weight 0 is the same
            as leaving the cell or row out.

        Returns
        -------
        self : MultiTaskRegressor

        Raises
        ------
        ValueError
            If a parameter or the data is not usable (the message names the column), or if
            training diverges. An estimator that was fitted before then stays as it was.
        """
        resume = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, resume, self.epochs, self.early_stopping)

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch over these rows, from where the last call ended.

        The first call fixes features, targets and scaling. No rows are held out.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self : MultiTaskRegressor
        """
        resume = self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, resume, epochs=1, early_stopping=False)

    def predict(self, X):
        """Predict all targets.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: finite numbers.

        Returns
        -------
        ndarray of shape (n, T), or (n,) if `y` was 1-D in `fit`
            Predictions in the targets' own units, float64.
        """
        check_is_fitted(self)
        Y = self._network.predict(check_features(self, X, reset=False))
        return Y[:, 0] if self._one_dimensional else Y

    def score(self, X, y, sample_weight=None):
        """Mean over targets of the coefficient of determination on observed cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T), or (n,)
            True targets; NaN leaves a cell out.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            Weights of rows or cells.

        Returns
        -------
        float
            Unweighted mean of the targets' R2; see `skmtl.metrics.r2_score`.
        """
        Y, _ = check_targets(y, estimator=self)
        predicted = self.predict(X).reshape(-1, self.n_outputs_)
        check_same_targets(y, Y, self.target_names_)
        return r2_score(Y, predicted, sample_weight=sample_weight)

    @property
    def model_(self):
        """The fitted network as a Keras model, built when first asked for."""
        check_is_fitted(self)
        if not hasattr(self, "_model"):
            self._model = self._build_model()
        return self._model

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_network")

    def __getstate__(self):
        # Weights are kept as arrays; model_ is made of them when it is asked for.
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_model"}

    def _train(self, X, y, sample_weight, resume, epochs, early_stopping):
        before = dict(vars(self))
        try:
            self._validate_params()
            table = self._check_table(X, y, sample_weight, resume)
            if resume:
                self._check_same_architecture()
            else:
                self._start(*table)
            self._run_epochs(*table, epochs, early_stopping)
        except BaseException:  # a failed or interrupted fit leaves all as it was
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _check_table(self, X, y, sample_weight, resume):
        """Features, targets and cell weights of the rows that have any weight."""
        X = check_features(self, X, reset=not resume)
        Y, one_dimensional = check_targets(y, estimator=self)
        check_consistent_length(X, Y)
        if resume:
            check_same_targets(y, Y, self.target_names_)
        else:
            self.n_outputs_ = Y.shape[1]
            self.target_names_ = target_names(y, self.n_outputs_)
            self._one_dimensional = one_dimensional
        W = cell_weights(Y, sample_weight)
        check_observed(Y, W, self.target_names_)
        counts = W.any(axis=1)
        return (X, Y, W) if counts.all() else (X[counts], Y[counts], W[counts])

    def _start(self, X, Y, W):
        """A fresh network, scaled to these rows."""
        # Two generators, so that rows are held out and shuffled alike for any network.
        weights_rng, self._rng = _generator(self.random_state).spawn(2)
        features, targets = Scaling.identity(X.shape[1]), Scaling.identity(Y.shape[1])
        if self.scale_features:
            features = Scaling.fit(X, W.sum(axis=1, keepdims=True))
        if self.scale_targets:
            targets = Scaling.fit(Y, W)
        architecture = self._architecture()
        weights = initial_weights(architecture, weights_rng)
        self._network = Network(architecture, weights, None, features, targets)
        self.history_, self.n_iter_ = {}, 0

    def _run_epochs(self, X, Y, W, epochs, early_stopping):
        """Train the network on these rows and take over what comes out."""
        from . import _training

        rng = copy.deepcopy(self._rng)  # a failed fit draws nothing
        network = self._network
        train_rows, validation_rows = slice(None), slice(0)
        if early_stopping:
            train_rows, validation_rows = hold_out(
                W, self.validation_fraction, self.target_names_, rng
            )
        train, validation = (
            _training.Rows(*network.encode(X[rows], Y[rows], W[rows]))
            for rows in (train_rows, validation_rows)
        )
        optimizer = _training.choose_optimizer(
            self.optimizer, self.learning_rate, self.weight_decay
        )
        spec = _training.ProgramSpec(
            network.architecture,
            optimizer.config,
            batch_size=self._batch_size(len(train.X)),
            dropout=self.dropout > 0,
            validation=bool(early_stopping),
        )
        settings = _training.Settings(
            n_train=len(train.X),
            n_validation=len(validation.X),
            n_epochs=int(epochs),
            patience=int(self.n_iter_no_change),
            learning_rate=optimizer.learning_rate,
            weight_decay=optimizer.weight_decay,
            dropout=float(self.dropout),
        )
        vars(self).pop("_model", None)
        callbacks = None
        if self.callbacks:
            self._model = self._build_model()
            callbacks = _training.EpochCallbacks(
                self.callbacks, self._model, optimizer, settings.n_epochs
            )
        trained = _training.train(
            spec,
            settings,
            network,
            train,
            validation,
            names=self.target_names_,
            seed=int(rng.integers(2**63)),
            callbacks=callbacks,
            verbose=self.verbose,
        )
        self._rng = rng
        self._network = dataclasses.replace(
            network, weights=trained.weights, optimizer_state=trained.optimizer_state
        )
        self.history_ = _extended(self.history_, self.n_iter_, trained.history)
        self.n_iter_ += len(trained.history["loss"])

    def _build_model(self):
        from ._training import build_keras_model

        return build_keras_model(self._network, self.dropout, self._one_dimensional)

    def _architecture(self) -> Architecture:
        sizes = (
            *_layer_sizes("trunk_sizes", self.trunk_sizes),
            *_layer_sizes("head_sizes", self.head_sizes),
        )
        depth = self.sharing_depth
        if depth is None:
            depth = len(self.trunk_sizes)
        if depth > len(sizes):
            raise ValueError(
                f"sharing_depth={depth}, but there are {len(sizes)} hidden layers "
                f"(trunk_sizes + head_sizes = {sizes}): expected None or an int from 0 to "
                f"{len(sizes)}."
            )
        return Architecture(
            self.n_features_in_, self.n_outputs_, sizes, int(depth), self.activation
        )

    def _check_same_architecture(self):
        trained, asked = self._network.architecture, self._architecture()
        if trained != asked:
            raise ValueError(
                f"Training cannot go on: the network was fitted as {trained}, but the "
                f"parameters now ask for {asked}. Set them back, or call fit with "
                "warm_start=False."
            )

    def _batch_size(self, n_rows: int) -> int:
        if self.batch_size == "auto":
            return int(2 ** np.clip(np.ceil(np.log2(n_rows / 256)), 5, 10))
        # Beyond the rows there are only zeros to compute with. In powers of two, so that
        # full batches of a few rows more or less need no new program.
        return min(int(self.batch_size), 2 ** int(n_rows).bit_length())


def _layer_sizes(parameter: str, sizes) -> tuple[int, ...]:
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(
            f"{parameter} must be a tuple of positive ints such as (64, 32), or empty; got "
            f"{sizes!r}."
        )
    return tuple(int(size) for size in sizes)


def _generator(random_state) -> np.random.Generator:
    """A generator of our own; None is fresh entropy, not NumPy's global state."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    return np.random.default_rng(random_state)


def _extended(history: dict, n_epochs: int, new: dict) -> dict[str, list[float]]:
    """History of n_epochs and the new epochs after it; NaN where a name is missing."""
    n_new = len(new["loss"])
    return {
        name: history.get(name, [np.nan] * n_epochs) + new.get(name, [np.nan] * n_new)
        for name in {**new, **history}
    }
