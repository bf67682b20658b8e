"""The classifier: its parameters and what they mean, and what it predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from .._foreign import StrOptions
from .._network.scaling import Scaling
from .._tables.features import check_features
from .._tables.labels import (
    announced_classes,
    check_known,
    check_labels,
    class_weights,
    classes_of,
    codes_of,
    is_for_all,
    labels_from,
    observed_cells,
)
from .._tables.per_target import per_target
from .._tables.table import CheckedTargets
from .._tables.targets import check_same_targets
from .._tables.weights import weights_of
from ..metrics import accuracy_score
from .base import BaseMultiTask
from .constraints import CONSTRAINTS


class MultiTaskClassifier(ClassifierMixin, BaseMultiTask):
    """One neural network that classifies several targets: shared trunk, a head per target.

    What `MultiTaskRegressor` is for numbers, this is for labels: whole numbers, strings,
    bools, intervals (of `pandas.cut`) or categories, with as many classes per target as
    there are, and with holes. The hidden layers are
    ``trunk_sizes + head_sizes``; all targets share the first `sharing_depth` of them.
    Training minimises the mean over targets of each one's log loss on its observed cells::

        L = 1/T  sum_t  v_t  sum_i w_it m_it (-log p_t(y_it | x_i)) / sum_i w_it m_it

    with the sample weights w (times those of the classes), m_it = 1 where target t of row
    i is observed and 0 elsewhere, the loss weights v, and p_t the softmax of the outputs
    of head t. Two classes have one output, whose sigmoid is the probability of the second.

    Parameters
    ----------
    trunk_sizes : tuple of int, default=(128, 128)
        Units of each hidden layer before the default split. May be empty.

    head_sizes : tuple of int, default=(64,)
        Units of each hidden layer after the default split, for one target. May be empty.

    sharing_depth : int or None, default=None
        Number of first hidden layers that all targets share, from 0 (separate networks)
        to ``len(trunk_sizes) + len(head_sizes)``. None means ``len(trunk_sizes)``.

    n_experts, n_task_experts : int, default=1 and 0
        Trunks side by side that the targets mix by gates, and more of each target's own, as
        for `MultiTaskRegressor`.

    target_groups : list of lists of str or int, or None, default=None
        Targets that share a trunk, as for `MultiTaskRegressor`.

    share_output : bool, default=False
        Let every head end in the same linear layer.

    linear_path : bool, default=True
        Add a linear function of the features to the outputs.

    activation : str, default="relu"
        Activation function of the hidden layers, as for `MultiTaskRegressor`.

    dropout : float in [0, 1), default=0.0
        Share of every hidden layer's units that a training step leaves out at random.

    class_weight : None, "balanced", mapping, or one per target, default=None
        How much each class counts: a mapping from label to weight, 1 for labels that it
        lacks. "balanced" weighs classes inversely to their frequency among a target's
        observed cells. A list of T, or a mapping by target name, has one of these for
        each target. Probabilities are then those of the reweighted classes.

    loss_weights : None, array-like of shape (T,), mapping or str, default=None
        How much each target counts, as for `MultiTaskRegressor`.

    optimizer : str or keras.optimizers.Optimizer, default="adam"
        A Keras optimizer. An instance is used with its own settings.

    learning_rate : float, default=1e-3
        Step size. Does nothing if `optimizer` is an instance.

    weight_decay : float, default=0.5
        Decoupled weight decay of the kernels. Does nothing if `optimizer` is an instance.

    ema_momentum : float in [0, 1), default=0.99
        Of the moving average of the weights that are predicted with. Does nothing if
        `optimizer` is an instance.

    epochs : int, default=400
        Passes over the training rows; with `early_stopping` the most there can be.

    batch_size : int or "auto", default="auto"
        Rows per optimiser step. "auto" is 32 for up to 8192 training rows and grows in
        proportion from there, in powers of two, up to 1024.

    early_stopping : bool, default=True
        Hold out `validation_fraction` of the rows, stop after `n_iter_no_change` epochs
        without a better log loss on them, and keep the weights of the best epoch. A class
        may be among the rows held out alone: it is known then, and thought to be rare.

    validation_fraction : float in (0, 1), default=0.125
        Share of rows to hold out. Does nothing if `early_stopping` is False.

    n_iter_no_change : int, default=40
        Patience in epochs. Does nothing if `early_stopping` is False.

    refit : bool or "auto", default="auto"
        Go on from the best epoch with all rows, as `MultiTaskRegressor` does. "auto" means
        False: a classifier becomes too sure of itself by it. On the tables that this was
        chosen on, the log loss of one network was 5 % higher, at the same accuracy. Does
        nothing if `early_stopping` is False, or with `callbacks`.

    n_members : int, default=1
        Networks to train; their probabilities are averaged.

    n_jobs : int or None, default=None
        Members to train at the same time, in threads.

    scale_features : bool, default=True
        Standardise the features with the rows given to `fit`, as for
        `MultiTaskRegressor`.

    clip_features : float or None, default=3.0
        The hidden layers see features cut off at so many standard deviations. Does nothing
        if `scale_features` is False.

    n_bins : int or "auto", default="auto"
        Bins of each feature, which the hidden layers see beside it, as for
        `MultiTaskRegressor`.

    init_trunk : fitted MultiTaskClassifier or MultiTaskRegressor, FrozenEstimator around \
            one, keras.Model, or None, default=None
        Network whose first layers the trunk starts from: that of a regressor serves a
        classifier, too, and the other way round.

    freeze_trunk : bool, default=False
        Train the heads only.

    warm_start : bool, default=False
        Let `fit` go on from the present weights, optimizer state and scaling. Labels must
        be among the classes of the first fit.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Called at the start and end of training and of every epoch.

    verbose : int, default=0
        1 shows a progress bar with the losses; 0 prints nothing.

    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the rows held out, the order of the rows and dropout.

    Attributes
    ----------
    classes_ : list of T ndarrays, or ndarray of shape (C,) if `y` was 1-D
        Labels of each target, in order. A class has a row of positive weight.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it was a DataFrame with string names.

    n_outputs_ : int
        Number of targets T.

    target_names_ : ndarray of shape (n_outputs_,)
        Column names of y if it was a DataFrame, else ``target_0``, ``target_1``, ...

    history_ : dict of list of float
        One entry per epoch: mean and targets' log losses in nats, ``loss``,
        ``loss_<target>`` and, on the rows held out, ``val_loss``, ``val_loss_<target>``.

    n_iter_ : int
        Number of epochs run: the most of any member.

    best_epoch_ : ndarray of int of shape (n_members, n_outputs_)
        For each member and target, the epoch of `history_`, counted from 1, whose weights
        the last call of `fit` or `partial_fit` kept for the network that the target is part
        of: that of the lowest validation loss, or the last if no rows were held out. A
        refit goes on from there. Equal within a row unless targets have networks of their
        own (``sharing_depth`` 0, `target_groups`). 0 where `history_` has no such epoch, as
        for a target that `add_task` added, and after `merge_tasks`.

    loss_weights_ : ndarray of shape (n_outputs_,)
        Weight of each target's loss: as given, or learnt.

    model_ : keras.Model
        The fitted network as a Keras model: raw features in, the probabilities out that
        `predict_proba` gives; a list of T outputs unless `y` was 1-D. See
        `MultiTaskRegressor` for the precision in which it reads the features.

    trunk_ : keras.Model
        The shared part of `model_`.

    See Also
    --------
    MultiTaskRegressor : For targets that are numbers; documents the parameters in full.
    sklearn.multioutput.MultiOutputClassifier : Any classifier, once per target.

    Notes
    -----
    A target with a single class is predicted as that class, with the probability 1.

    For probabilities, `sklearn.model_selection.cross_val_predict` makes missing labels a
    class of their own: take `skmtl.model_selection.cross_val_predict`.

    Any estimator can be pickled. ``skops.io`` cannot save one whose `optimizer` is an
    instance, for TensorFlow's objects in it refuse that: give its name, or, once fitted,
    call ``set_params(optimizer="adam")`` before saving, which changes no prediction.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl import MultiTaskClassifier
    >>> from skmtl.datasets import load_energy
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> labels = pd.DataFrame(
    ...     {
    ...         "heating": pd.cut(y["heating_load"], 3, labels=["low", "medium", "high"]),
    ...         "cooling": y["cooling_load"] > 25,
    ...     }
    ... )
    >>> model = MultiTaskClassifier(epochs=5, random_state=0).fit(X, labels)
    >>> model.classes_
    [array(['high', 'low', 'medium'], dtype=object), array([False,  True])]
    >>> [p.shape for p in model.predict_proba(X)]
    [(768, 3), (768, 2)]
    """

    # The public place, by which files and messages know the class wherever it is moved.
    __module__ = "skmtl"

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "class_weight": [None, StrOptions({"balanced"}), Mapping, "array-like"],
    }

    def __init__(
        self,
        *,
        trunk_sizes=(128, 128),
        head_sizes=(64,),
        sharing_depth=None,
        n_experts=1,
        n_task_experts=0,
        target_groups=None,
        share_output=False,
        linear_path=True,
        activation="relu",
        dropout=0.0,
        class_weight=None,
        loss_weights=None,
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=0.5,
        ema_momentum=0.99,
        epochs=400,
        batch_size="auto",
        early_stopping=True,
        validation_fraction=0.125,
        n_iter_no_change=40,
        refit="auto",
        n_members=1,
        n_jobs=None,
        scale_features=True,
        clip_features=3.0,
        n_bins="auto",
        init_trunk=None,
        freeze_trunk=False,
        warm_start=False,
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.trunk_sizes = trunk_sizes
        self.head_sizes = head_sizes
        self.sharing_depth = sharing_depth
        self.n_experts = n_experts
        self.n_task_experts = n_task_experts
        self.target_groups = target_groups
        self.share_output = share_output
        self.linear_path = linear_path
        self.activation = activation
        self.dropout = dropout
        self.class_weight = class_weight
        self.loss_weights = loss_weights
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.ema_momentum = ema_momentum
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.refit = refit
        self.n_members = n_members
        self.n_jobs = n_jobs
        self.scale_features = scale_features
        self.clip_features = clip_features
        self.n_bins = n_bins
        self.init_trunk = init_trunk
        self.freeze_trunk = freeze_trunk
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch over these rows, from where the last call ended.

        The first call fixes features, targets, classes and scaling. No rows are held out.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like, list of T array-likes, or mapping by target name, default=None
            In the first call, all labels that any call will have: those of every target
            alike, as scikit-learn's `learning_curve` gives them, or of each target its own.
            None means those of `y`. Later calls may leave it out.

        Returns
        -------
        self : MultiTaskClassifier

        Raises
        ------
        ValueError
            If a label is not among the classes, and whatever `fit` raises.
        """
        resume = self.__sklearn_is_fitted__()
        return self._train(
            X, y, sample_weight, resume, epochs=1, early_stopping=False, classes=classes
        )

    def predict(self, X):
        """Predict the most probable label of every target.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: finite numbers.

        Returns
        -------
        ndarray of shape (n, T), or (n,) if `y` was 1-D in `fit`
            Labels in their own type; objects where targets have labels of several types.
        """
        probabilities = self._probabilities(X)
        codes = np.stack([p.argmax(axis=1) for p in probabilities], axis=1)
        labels = labels_from(codes, self._classes)
        return labels[:, 0] if self._one_dimensional else labels

    def predict_proba(self, X):
        """Predict the probabilities of every target's classes: the mean over members.

        In double precision for up to 32768 rows in one call, in single for more, as
        `MultiTaskRegressor.predict` explains.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: finite numbers.

        Returns
        -------
        list of T ndarrays of shape (n, C_t), or ndarray of shape (n, C) if `y` was 1-D
            In the order of `classes_`; each row sums to 1.
        """
        probabilities = self._probabilities(X)
        return probabilities[0] if self._one_dimensional else probabilities

    def score(self, X, y, sample_weight=None):
        """Mean over targets of the accuracy on observed cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T), or (n,)
            True labels; missing ones are left out, unknown ones count as missed.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            Weights of rows or cells.

        Returns
        -------
        float
            See `skmtl.metrics.accuracy_score`.
        """
        predicted = self.predict(X)
        check_same_targets(y, self._check_y(y).Y, self.target_names_)
        if sample_weight is not None:
            sample_weight = weights_of(sample_weight, self.target_names_)
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    def add_task(self, X, y, name=None, *, class_weight=None, sample_weight=None):
        """Add a target: train a head for it on the fitted trunk, which stays as it is.

        The weights of the other targets stay bit for bit the same, and their probabilities
        up to rounding (1e-12). The optimizer's state is given up: `partial_fit` then starts
        with a new one.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, the same as in `fit`; the rows may be others.
        y : array-like of shape (n,) or (n, 1)
            Labels of the new target; missing ones are not observed.
        name : str, default=None
            Its name; by default that of the Series or column, else ``target_<T>``.
        class_weight : None, "balanced" or mapping, default=None
            Of its classes. The parameter `class_weight` then has one per target.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        self : MultiTaskClassifier
        """
        name = self._check_new_task(y, name)
        weights = [own["class_weight"] for own in self._own_parameters()]
        entries = {}
        if class_weight is not None or any(weight is not None for weight in weights):
            entries = {"class_weight": [*weights, class_weight]}
        self._add_task(X, y, name, sample_weight, entries, class_weight=class_weight)
        return self

    @property
    def classes_(self):
        """Labels of each target, in order."""
        check_is_fitted(self)
        return self._classes[0] if self._one_dimensional else self._classes

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _probabilities(self, X) -> list[np.ndarray]:
        """The members' mean probabilities (n, C_t) of every target."""
        check_is_fitted(self)
        X = check_features(self, X, reset=False)
        of_members = [m.probabilities(m.outputs(X)) for m in self._members]
        return [sum(parts) / len(parts) for parts in zip(*of_members, strict=True)]

    def _check_y(self, y):
        columns, one_dimensional = check_labels(y, estimator=self)
        return CheckedTargets(columns, observed_cells(columns), one_dimensional)

    def _in_numbers(self, table, columns, resume, announced):
        observed, names = table.W > 0, table.names
        if resume:
            classes = self._classes
        elif announced is not None:
            classes = announced_classes(announced, names)
        else:
            pairs = zip(columns, observed.T, strict=True)
            classes = [classes_of(column, seen) for column, seen in pairs]
        check_known(columns, classes, observed, names)
        codes = codes_of(columns, classes)
        W = class_weights(self.class_weight, classes, codes, table.W, names)
        return dataclasses.replace(table, Y=codes, W=W, classes=classes)

    def _target_scaling(self, table, kinds):
        return Scaling.identity(len(kinds))

    def _own_parameters(self):
        weights = per_target(
            "class_weight", self.class_weight, self.target_names_, is_for_all
        )
        return [{"class_weight": weight} for weight in weights]

    def _join_targets(self, parts):
        self._classes = [classes for part in parts for classes in part._classes]

    def _task_losses(self, names, classes):
        from .._training import class_losses

        return class_losses([len(own) for own in classes])


# Its examples are run though it says that it is from elsewhere.
__test__ = {"MultiTaskClassifier": MultiTaskClassifier}
