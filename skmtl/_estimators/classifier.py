"""The classifier: its parameters and what they mean, and what it predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from .._network.scaling import Scaling
from .._tables.features import check_features
from .._tables.holes_and_weights import weights_of
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
from .._third_party import StrOptions
from .._types import (
    ClassWeight,
    Floats,
    Groups,
    LossWeights,
    Optimizer,
    RandomState,
    Scoring,
    Sizes,
    Splitter,
    Targets,
)
from ..metrics import accuracy_score
from .base import BaseMultiTask
from .parameter_constraints import CONSTRAINTS

if TYPE_CHECKING:  # takes in TensorFlow
    import keras


class MultiTaskClassifier(ClassifierMixin, BaseMultiTask):
    """One neural network that classifies several targets: shared trunk, a head per target.

    What `MultiTaskRegressor` is for numbers, this is for labels: whole numbers, strings,
    bools, intervals (of `pandas.cut`) or categories. Each target has its own classes, any
    number of them, and may have holes. The hidden layers are ``trunk_sizes + head_sizes``;
    all targets share the first `sharing_depth` of them. Training minimises the mean over
    targets of each one's log loss on its observed cells::

        L = 1/T  sum_t  v_t  sum_i w_it m_it (-log p_t(y_it | x_i)) / sum_i w_it m_it

    with the sample weights w (times those of the classes), m_it = 1 where target t of row
    i is observed and 0 elsewhere, the loss weights v, and p_t the softmax of the outputs
    of head t. Two classes have one output, whose sigmoid is the probability of the second.

    Start with five choices, and leave the rest as it is:

    - `sharing_depth`: how much the targets share. Search over it.
    - `trunk_sizes` and `head_sizes`: how large the network is.
    - `class_weight`: how much each class counts, where some are rare.
    - `n_members`: 8 networks predict better than one, in some 7 times the CPU time.
    - `random_state`: an int makes the fit repeatable, to the last bit on one machine.

    The defaults of the other parameters were chosen by experiment on real tables; see
    ``benchmarks/DEFAULTS.md``. They are listed below in this order:

    - The network: `trunk_sizes`, `head_sizes`, `sharing_depth`, `n_experts`,
      `n_task_experts`, `target_groups`, `share_output`, `linear_path`, `activation`,
      `dropout`.
    - What is learnt: `class_weight`, `loss_weights`.
    - Training: `optimizer`, `learning_rate`, `learning_rate_schedule`,
      `weight_decay`, `ema_momentum`, `epochs`, `max_seconds`, `batch_size`,
      `early_stopping`, `scoring`, `validation_fraction`, `n_iter_no_change`, `refit`.
    - Ensembles: `n_members`, `n_jobs`.
    - Features: `categorical_features`, `embedding_size`, `scale_features`, `clip_features`,
      `n_bins`.
    - Reuse of trained networks: `init_trunk`, `freeze_trunk`, `warm_start`.
    - While it runs: `callbacks`, `verbose`, `random_state`.

    `MultiTaskRegressor` says more about the parameters that both have.

    Parameters
    ----------
    trunk_sizes : tuple of int, default=(128, 128)
        Units of each hidden layer before the default split. May be empty.

    head_sizes : tuple of int, default=(64,)
        Units of each hidden layer after the default split, for one target. May be empty.

    sharing_depth : int or None, default=None
        Number of first hidden layers that all targets share, from 0 (separate networks)
        to ``len(trunk_sizes) + len(head_sizes)``. None means ``len(trunk_sizes)``.

    n_experts : int, default=1
        Number of trunks side by side, the experts, which each target mixes by a gate of its
        own. 1 is one trunk, without gates. Try 4 where targets have only some things in
        common. Does nothing if ``sharing_depth`` is 0.

    n_task_experts : int, default=0
        Number of further experts for each target, which only its own gate mixes in. Does
        nothing if ``sharing_depth`` is 0.

    target_groups : list of lists of str or int, or None, default=None
        Groups of targets, by name or position, that have a trunk each, as in
        ``[["a", "b"], ["c"]]``. None is one group of all. Does nothing if
        ``sharing_depth`` is 0. Not possible together with experts.

    share_output : bool, default=False
        Let every head end in the same linear layer. Needs at least one hidden layer per
        head.

    linear_path : bool, default=True
        Add a linear function of the features, one per target, to the outputs. Does nothing
        if there are no hidden layers.

    activation : str, default="relu"
        Activation function of the hidden layers, by its name in Keras.
        `MultiTaskRegressor` lists them.

    dropout : float in [0, 1), default=0.0
        Share of the units of every hidden layer that a training step leaves out at random.

    class_weight : None, "balanced", mapping, or one per target, default=None
        How much each class counts: a mapping from label to weight, where a label that it
        lacks has the weight 1. "balanced" weighs classes inversely to their frequency among
        the observed cells of a target. A list of T, or a mapping by target name, has one of
        these for each target. Probabilities are then those of the reweighted classes.

    loss_weights : None, array-like of shape (T,), mapping, str or pair, default=None
        How much each target counts, by position or by target name. None is 1 for all, and
        0 switches a target off. The name of a method lets the weights adapt during
        training: `MultiTaskRegressor` says when to try "famo", "geometric", "uncertainty",
        "dwa", "random", "mgda", "pcgrad", "cagrad", "imtl_g", "nash", "aligned" or
        "upgrad", and what a pair does, such as ``("famo", {"a": 2, "b": 1})``.

    optimizer : str or keras.optimizers.Optimizer, default="adam"
        A Keras optimizer. An instance is used with its own settings, and is not changed
        itself.

    learning_rate : float or "auto", default="auto"
        Step size. "auto" is 1e-3, or for large tables 4e-3 (see `learning_rate_schedule`).
        Does nothing if `optimizer` is an instance.

    learning_rate_schedule : {"auto", "constant", "cosine"}, default="auto"
        How the step size goes on. "cosine" lets it fall to 0 over all `epochs` of `fit`,
        along half a cosine (Loshchilov & Hutter 2017). "auto" is "constant" for fewer than
        5000 rows and "cosine" for more, which makes these rules hold for n rows:

        ==================  ==================  ===========================================
        parameter           n < 5000            n >= 5000: a large table
        ==================  ==================  ===========================================
        `learning_rate`     1e-3, constant      4e-3, falling along a cosine
        `epochs`            400                 60 (16000 / n)^(3/4), at least 8
        `batch_size`        32                  n / 90, a power of two from 64 to 512
        `n_iter_no_change`  40                  15
        `n_bins`            up to 32            64 (n < 100 000), if n >= 32 max(128, d)
        ==================  ==================  ===========================================

        Smooth tables want more epochs than noisy ones. So these "auto" epochs, and the
        patience, become four times as many where, in their middle, the losses on rows held
        out still fall: where their geometric mean over the targets has become lower by
        11 % since a fourth of the epochs. Separate networks go on each by its own losses;
        with `max_seconds` or `callbacks`, only together. There are passes over 32 000 000
        rows at most. Epochs that are given stay as they are.

        `partial_fit` goes by the rows of the largest chunk until then, and a first chunk of
        5000 rows or more has 32 bins. Each call is an epoch. Whoever knows how many there
        will be gives this number as `epochs`, and "cosine": then the step size falls to 0
        over all calls, for errors near those of `fit`. Else, from 5000 rows on, it falls
        with ``1 / sqrt(1 + t / 200)`` after t steps, unless the schedule is "constant".
        Does nothing if `optimizer` is an instance, which may have a schedule of its own.

    weight_decay : float, default=0.5
        Decoupled weight decay: every step multiplies the kernels by
        ``1 - learning_rate * weight_decay``. Does nothing if `optimizer` is an instance.

    ema_momentum : float in [0, 1), default=0.99
        Momentum of the moving average of the weights, which is validated, kept and
        predicted with. 0 takes the weights as they are. Does nothing if `optimizer` is an
        instance.

    epochs : int or "auto", default="auto"
        Passes over the training rows. With `early_stopping` this is the largest number.
        "auto" is 400, and for large tables less, or as many as pay: see
        `learning_rate_schedule`, also for `partial_fit`, whose calls are an epoch each.

    max_seconds : float or None, default=None
        Seconds of training after which `fit` ends, with the best networks so far and a
        ConvergenceWarning; compiling, and the first epoch after it, come on top. A step
        size that falls is 0 by then. Members share the time. There is no `refit`. Results
        then depend on how quick the machine is. None is no limit. Does nothing in
        `partial_fit`. See `cut_off_`.

    batch_size : int or "auto", default="auto"
        Rows per optimiser step. "auto" is 32, and more for large tables: see
        `learning_rate_schedule`.

    early_stopping : bool, default=True
        Hold out `validation_fraction` of the rows, stop after `n_iter_no_change` epochs
        without a better log loss on them, and keep the weights of the best epoch. If all
        rows of a class are held out, the class is known all the same, and is predicted to
        be rare.

    scoring : str, or one per target, default="loss"
        What the best epoch is chosen by, and when to stop: "loss" (the log loss), or
        "accuracy", "balanced_accuracy", "roc_auc" or "neg_log_loss", for all targets or one
        for each, as for `MultiTaskRegressor`. Class weights count in it like sample
        weights. Does nothing if `early_stopping` is False.

    validation_fraction : "auto", float in (0, 1) or splitter, default="auto"
        Share of rows to hold out, at random; of whole groups if `fit` is given `groups`.
        "auto" is an eighth, and at most 20 000 rows.
        Or a splitter of scikit-learn, such as ``TimeSeriesSplit()``, of which the last
        split is taken, as for `MultiTaskRegressor`. Does nothing if `early_stopping` is
        False, or if `fit` is given `X_val`.

    n_iter_no_change : int or "auto", default="auto"
        Patience in epochs. "auto" is 40, or for large tables 15. It grows with "auto"
        `epochs` (see `learning_rate_schedule`). Does nothing if `early_stopping` is False.

    refit : bool or "auto", default="auto"
        Whether to go on from the best epoch with all rows, those held out as well. With
        True that is done under the same conditions as for `MultiTaskRegressor`. "auto"
        means False, because with more steps a classifier becomes too sure of itself: on
        the tables that this was chosen on, the log loss of one network was 5 % higher, at
        the same accuracy. Does nothing if `early_stopping` is False, or with `callbacks`.

    n_members : int, default=1
        Number of networks to train; their probabilities are averaged.

    n_jobs : int or None, default=None
        Number of members to train at the same time, in threads, or on the workers of Dask
        or Ray that a ``joblib.parallel_config`` names. None means 1, or what that says; -1
        means one per core or worker. Does nothing for a single member, or with
        `callbacks`.

    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which features are categories. "from_dtype": the columns of a DataFrame that hold
        categories, text or bools, and none of an array. Else their names, their positions,
        or a mask of shape (d,); None: no feature is.
        The network learns `embedding_size` numbers for every level that it is fitted to,
        and what the level adds to each target. Another level, met in prediction, is treated
        as a missing one: both are "unknown", and in training every value is unknown now
        and then, so that the network knows what to do without it.

    embedding_size : int or "auto", default="auto"
        Numbers that the hidden layers read of each categorical feature. "auto" is 16, or
        half of the most levels of a feature if they are fewer than 32, in powers of two.
        Does nothing if there are no categorical features or no hidden layers.

    scale_features : bool, default=True
        Standardise the features, by their means and standard deviations over the rows given
        to `fit`.

    clip_features : float or None, default=3.0
        The hidden layers see features that are cut off at so many standard deviations from
        the mean; the linear path sees three times as far. None leaves features as they are.
        Does nothing if `scale_features` is False.

    n_bins : int or "auto", default="auto"
        Number of bins of each feature, which the hidden layers see beside it, so that
        thresholds and bends are easy to learn. "auto" is, for n rows and d features, 0 if
        n < 100 or n < 4 d; else 32 if n >= 32 max(128, d), or 64 for large tables of as
        many rows; else 16 if n >= 16 max(128, d); else 8. 0 is no bins. Does nothing if
        there are no hidden layers, or if `init_trunk` is given, whose bins are then used.

    init_trunk : fitted MultiTaskClassifier or MultiTaskRegressor, FrozenEstimator around \
            one, keras.Model, or None, default=None
        Network whose first layers the trunk starts from, as for `MultiTaskRegressor`. The
        trunk of a regressor serves a classifier as well, and the other way round.

    freeze_trunk : bool, default=False
        Train the heads only. The weights of the trunk stay bit for bit the same.

    warm_start : bool, default=False
        Let `fit` go on from the present weights, optimizer state and scaling. Labels must
        be among the classes of the first fit.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Called at the start and end of training and of every epoch, as for
        `MultiTaskRegressor`. A callback for batches is refused.

    verbose : int, default=0
        1 shows a progress bar with the losses, and says when a program is compiled; 0
        prints nothing.

    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the rows held out, the order of the rows and dropout.
        With the same int, a fit to the same data on the same machine gives the same bits,
        whatever ran in the process before.

    Attributes
    ----------
    classes_ : list of T ndarrays, or ndarray of shape (C,) if `y` was 1-D
        Labels of each target, in order: those that have a row of positive weight, or those
        that the first `partial_fit` was given as `classes`.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it was a DataFrame with string names.

    is_categorical_ : ndarray of bool of shape (n_features_in_,), or None
        Which features are categories; None if none are.

    categories_ : dict of ndarray
        The levels of each categorical feature, by its name, or its position if X had no
        names, in the order in which the fit met them.

    n_outputs_ : int
        Number of targets T.

    target_names_ : ndarray of shape (n_outputs_,)
        Column names of y if it was a DataFrame, else ``target_0``, ``target_1``, ...

    history_ : dict of list of float
        One entry per epoch, log losses in nats: ``loss`` (mean over targets) and
        ``loss_<target>`` and, on the rows held out, ``val_loss`` and
        ``val_loss_<target>``; with `scoring` other than "loss" also ``val_score`` and
        ``val_score_<target>``.

    n_iter_ : int
        Number of epochs run: the most of any member.

    cut_off_ : bool
        Whether `max_seconds` ended the last training, of any member, too early to judge the
        network by it: before half of the epochs that were planned if the step size falls,
        as that is 0 in time, and else before all of them.

    best_epoch_ : ndarray of int of shape (n_members, n_outputs_)
        For each member and target, the epoch of `history_`, counted from 1, whose weights
        the last call of `fit` or `partial_fit` kept for the network that the target is part
        of: that of the lowest validation loss, or highest score if there is a `scoring`, or
        the last if no rows were held out. A
        refit goes on from there. Equal within a row unless targets have networks of their
        own (``sharing_depth`` 0, `target_groups`). 0 where `history_` has no such epoch, as
        for a target that `add_task` added, and after `merge_tasks`.

    loss_weights_ : ndarray of shape (n_outputs_,)
        Weight of each target's loss, as given. Where the weights adapt, the mean over the
        steps of the last epoch, preferences included.

    model_ : keras.Model
        The fitted network as a Keras model: raw features in, the probabilities out that
        `predict_proba` gives, as a list of T outputs unless `y` was 1-D. See
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

    For probabilities out of fold, take `skmtl.model_selection.cross_val_predict`:
    scikit-learn's function of that name makes missing labels a class of their own.

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
        trunk_sizes: Sizes = (128, 128),
        head_sizes: Sizes = (64,),
        sharing_depth: int | None = None,
        n_experts: int = 1,
        n_task_experts: int = 0,
        target_groups: Groups | None = None,
        share_output: bool = False,
        linear_path: bool = True,
        activation: str = "relu",
        dropout: float = 0.0,
        class_weight: ClassWeight = None,
        loss_weights: LossWeights = None,
        optimizer: Optimizer = "adam",
        learning_rate: float | Literal["auto"] = "auto",
        learning_rate_schedule: Literal["auto", "constant", "cosine"] = "auto",
        weight_decay: float = 0.5,
        ema_momentum: float = 0.99,
        epochs: int | Literal["auto"] = "auto",
        max_seconds: float | None = None,
        batch_size: int | Literal["auto"] = "auto",
        early_stopping: bool = True,
        scoring: Scoring = "loss",
        validation_fraction: float | Literal["auto"] | Splitter = "auto",
        n_iter_no_change: int | Literal["auto"] = "auto",
        refit: bool | Literal["auto"] = "auto",
        n_members: int = 1,
        n_jobs: int | None = None,
        categorical_features: Literal["from_dtype"] | ArrayLike | None = "from_dtype",
        embedding_size: int | Literal["auto"] = "auto",
        scale_features: bool = True,
        clip_features: float | None = 3.0,
        n_bins: int | Literal["auto"] = "auto",
        init_trunk: Any = None,
        freeze_trunk: bool = False,
        warm_start: bool = False,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        verbose: int = 0,
        random_state: RandomState = None,
    ) -> None:
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
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.ema_momentum = ema_momentum
        self.epochs = epochs
        self.max_seconds = max_seconds
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.refit = refit
        self.n_members = n_members
        self.n_jobs = n_jobs
        self.categorical_features = categorical_features
        self.embedding_size = embedding_size
        self.scale_features = scale_features
        self.clip_features = clip_features
        self.n_bins = n_bins
        self.init_trunk = init_trunk
        self.freeze_trunk = freeze_trunk
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def partial_fit(  # type: ignore[override]  # classes third, as in scikit-learn
        self,
        X: ArrayLike,
        y: Targets,
        classes: ArrayLike | Sequence[Any] | Mapping[Any, Any] | None = None,
        sample_weight: ArrayLike | None = None,
        categories: Mapping[Any, ArrayLike] | None = None,
    ) -> Self:
        """Train for one epoch over these rows, from where the last call ended.

        The first call fixes features, targets, classes, levels and scaling. No rows are
        held out.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like, list of T array-likes, or mapping by target name, default=None
            All labels that this call and later ones will have. A flat list means that
            every target has these labels, as scikit-learn's `learning_curve` gives them; a
            list of T lists, or a mapping, has those of each target. None means the labels
            of `y`. Later calls may leave it out.
        categories : dict of list of levels, by column name or position, default=None
            All levels that categorical features will have in this call and later ones; see
            `MultiTaskRegressor.partial_fit`.

        Returns
        -------
        self : MultiTaskClassifier

        Raises
        ------
        ValueError
            If a label is not among the classes, and whatever
            `MultiTaskRegressor.partial_fit` raises.

        Examples
        --------
        >>> from skmtl import MultiTaskClassifier
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> labels = y > 25
        >>> model = MultiTaskClassifier(random_state=0)
        >>> for first in range(0, 768, 256):
        ...     rows = slice(first, first + 256)
        ...     model = model.partial_fit(X[rows], labels[rows], classes=[False, True])
        >>> model.n_iter_
        3
        """
        resume = self.__sklearn_is_fitted__()
        known = {"classes": classes, "categories": categories}
        return self._train(X, y, sample_weight, resume, **known)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the most probable label of every target.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: numbers and categories, either of which may be missing.

        Returns
        -------
        ndarray of shape (n, T), or (n,) if `y` was 1-D in `fit`
            Labels in their own type; objects where targets have labels of several types.

        Examples
        --------
        >>> from skmtl import MultiTaskClassifier
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> labels = y > 25
        >>> model = MultiTaskClassifier(epochs=5, random_state=0).fit(X, labels)
        >>> model.predict(X).shape, model.predict(X).dtype
        ((768, 2), dtype('bool'))
        """
        probabilities = self._probabilities(X)
        codes = np.stack([p.argmax(axis=1) for p in probabilities], axis=1)
        labels = labels_from(codes, self._classes)
        return labels[:, 0] if self._one_dimensional else labels

    def predict_proba(self, X: ArrayLike) -> list[Floats] | Floats:
        """Predict the probabilities of every target's classes: the mean over members.

        In double precision for up to 32768 rows in one call, in single for more, as
        `MultiTaskRegressor.predict` explains.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: numbers and categories, either of which may be missing.

        Returns
        -------
        list of T ndarrays of shape (n, C_t), or ndarray of shape (n, C) if `y` was 1-D
            In the order of `classes_`; each row sums to 1.

        Examples
        --------
        >>> from skmtl import MultiTaskClassifier
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> labels = y > 25
        >>> model = MultiTaskClassifier(epochs=5, random_state=0).fit(X, labels)
        >>> [p.shape for p in model.predict_proba(X)]
        [(768, 2), (768, 2)]
        """
        probabilities = self._probabilities(X)
        return probabilities[0] if self._one_dimensional else probabilities

    def score(
        self, X: ArrayLike, y: Targets, sample_weight: ArrayLike | None = None
    ) -> float:
        """Mean over targets of the accuracy on observed cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T), or (n,)
            True labels. Missing ones are left out; a label that was not in `fit` counts as
            an error.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            Weights of rows or cells.

        Returns
        -------
        float
            See `skmtl.metrics.accuracy_score`.

        Examples
        --------
        >>> from skmtl import MultiTaskClassifier
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> labels = y > 25
        >>> model = MultiTaskClassifier(epochs=5, random_state=0).fit(X, labels)
        >>> 0.5 < model.score(X, labels) <= 1.0
        True
        """
        predicted = self.predict(X)
        check_same_targets(y, self._check_y(y).Y, self.target_names_)
        if sample_weight is not None:
            sample_weight = weights_of(sample_weight, list(self.target_names_))
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    def add_task(
        self,
        X: ArrayLike,
        y: Targets,
        name: str | None = None,
        *,
        class_weight: ClassWeight = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
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
            How much each class of the new target counts. The parameter `class_weight` then
            has one entry per target.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        self : MultiTaskClassifier

        Examples
        --------
        >>> from skmtl import MultiTaskClassifier
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskClassifier(epochs=5, random_state=0)
        >>> model = model.fit(X, y["heating_load"] > 25)
        >>> model.add_task(X, y["cooling_load"] > 25).target_names_.tolist()
        ['heating_load', 'cooling_load']
        """
        name = self._check_new_task(y, name)
        weights = [own["class_weight"] for own in self._own_parameters()]
        entries = {}
        if class_weight is not None or any(weight is not None for weight in weights):
            entries = {"class_weight": [*weights, class_weight]}
        self._add_task(X, y, name, sample_weight, entries, class_weight=class_weight)
        return self

    @property
    def classes_(self) -> list[NDArray[Any]] | NDArray[Any]:
        """Labels of each target, in order.

        Examples
        --------
        >>> from skmtl import MultiTaskClassifier
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> MultiTaskClassifier(epochs=5, random_state=0).fit(X, y > 25).classes_
        [array([False,  True]), array([False,  True])]
        """
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
        of_members: list[Any] = [m.probabilities(m.outputs(X)) for m in self._members]
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
