"""The regressor: its parameters and what they mean, and what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from .._messages import listed
from .._network.scaling import Scaling
from .._tables.features import check_features
from .._tables.per_target import is_one_loss, per_target, with_new_target
from .._tables.table import CheckedTargets
from .._tables.targets import check_targets, check_values
from .._types import (
    Floats,
    Groups,
    Loss,
    LossWeights,
    Optimizer,
    RandomState,
    Scoring,
    Sizes,
    Splitter,
    Targets,
)
from .base import BaseMultiTask
from .parameter_constraints import CONSTRAINTS
from .scoring import r2_of

if TYPE_CHECKING:  # takes in TensorFlow
    import keras

    from .scikeras import KerasMultiTaskRegressor


class MultiTaskRegressor(RegressorMixin, BaseMultiTask):
    """One neural network for several targets: a shared trunk and a head per target.

    The hidden layers are ``trunk_sizes + head_sizes``. The first `sharing_depth` of them
    are shared by all targets (the trunk). The others exist once per target (the heads), and
    a linear output per target follows. So how much to share is one number to search over.
    For ``trunk_sizes=(128, 128)``, ``head_sizes=(64,)`` and T targets::

        sharing_depth=0   T x [128 -> 128 -> 64 -> 1]   separate networks
        sharing_depth=1   128 -> T x [128 -> 64 -> 1]
        sharing_depth=2   128 -> 128 -> T x [64 -> 1]   as the two tuples spell out
        sharing_depth=3   128 -> 128 -> 64 -> T x [1]   one network with T outputs

    Training minimises the mean over targets of each one's weighted mean loss on the
    observed cells (Caruana 1997)::

        L = 1/T  sum_t  v_t  sum_i w_it m_it loss_t(y_it, f_t(x_i)) / sum_i w_it m_it

    with the sample weights w, m_it = 1 where target t of row i is observed (not NaN) and
    0 elsewhere, the loss weights v, and f_t the output for target t. The default loss is
    the squared error in units of each target's standard deviation. So a target that is
    observed in half of the rows counts as much as any other.

    Start with five choices, and leave the rest as it is:

    - `sharing_depth`: how much the targets share. Search over it.
    - `trunk_sizes` and `head_sizes`: how large the network is.
    - `loss`: what the prediction means (a mean, a quantile, a count, a probability).
    - `n_members`: 8 networks predict better than one, in some 7 times the CPU time.
    - `random_state`: an int makes the fit repeatable, to the last bit on one machine.

    The defaults of the other parameters were chosen by experiment on real tables; see
    ``benchmarks/DEFAULTS.md``. They are listed below in this order:

    - The network: `trunk_sizes`, `head_sizes`, `sharing_depth`, `n_experts`,
      `n_task_experts`, `target_groups`, `share_output`, `linear_path`, `activation`,
      `dropout`.
    - What is learnt: `loss`, `loss_weights`.
    - Training: `optimizer`, `learning_rate`, `learning_rate_schedule`,
      `weight_decay`, `ema_momentum`, `epochs`, `max_seconds`, `batch_size`,
      `early_stopping`, `scoring`, `validation_fraction`, `n_iter_no_change`, `refit`.
    - Ensembles: `n_members`, `n_jobs`.
    - Features and targets: `categorical_features`, `embedding_size`, `scale_features`,
      `clip_features`, `n_bins`, `scale_targets`.
    - Reuse of trained networks: `init_trunk`, `freeze_trunk`, `warm_start`.
    - While it runs: `callbacks`, `verbose`, `random_state`.

    Parameters
    ----------
    trunk_sizes : tuple of int, default=(128, 128)
        Units of each hidden layer before the default split. May be empty.

    head_sizes : tuple of int, default=(64,)
        Units of each hidden layer after the default split, for one target. May be empty.

    sharing_depth : int or None, default=None
        Number of first hidden layers that all targets share, from 0 (a separate network
        for each target) to ``len(trunk_sizes) + len(head_sizes)`` (only the outputs are
        separate). None means ``len(trunk_sizes)``.

    n_experts : int, default=1
        Number of trunks side by side, the experts E (MMoE, Ma et al. 2018). The head of
        target t reads a mixture of what they put out, by a gate of its own::

            h_t(x) = sum_e g_te(x) expert_e(x)      g_t(x) = softmax(V_t u(x) + c_t)

        where u(x) is what the experts read: the features and their bins. 1 is one trunk,
        without gates. Try 4 where targets have only some things in common: each can then
        take more of one expert than of another. `gates` says how much. Does nothing if
        ``sharing_depth`` is 0.

    n_task_experts : int, default=0
        Number of further experts for each target, which only its own gate mixes in (CGC,
        one level of PLE, Tang et al. 2020). Try 1 where a target also needs what the
        others have no use for. Does nothing if ``sharing_depth`` is 0.

    target_groups : list of lists of str or int, or None, default=None
        Groups of targets, by name or position, as in ``[["a", "b"], ["c"]]``. Each group
        has a trunk of its own: groups are networks apart. None is one group of all. A
        number that is the name of a column means that column. Does nothing if
        ``sharing_depth`` is 0. Not possible together with experts.
        `skmtl.model_selection.suggest_groups` proposes groups.

    share_output : bool, default=False
        Let every head end in the same linear output, with the same kernel and bias, like
        one Keras ``Dense(1)`` that is called on every branch. Needs at least one hidden
        layer per head.

    linear_path : bool, default=True
        Add a linear function of the features, one per target, to the outputs (the "wide"
        part of Cheng et al. 2016). What is linear then need not pass through the hidden
        layers, which helps where there are more features than rows. The function starts
        at zero. Does nothing if there are no hidden layers.

    activation : {"relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", \
            "softplus", "tanh", "sigmoid", "linear"}, default="relu"
        Activation function of the hidden layers, by its name in Keras.

    dropout : float in [0, 1), default=0.0
        Share of the units of every hidden layer that a training step leaves out at random.

    loss : str, tuple, keras.losses.Loss, callable, or one per target, \
            default="squared_error"
        One loss for all targets, a sequence of T, or a mapping by target name. A target
        may also be named by the label of its column, such as an int, or a tuple of a
        MultiIndex. Each loss is

        - "squared_error", "absolute_error", "huber" or "log_cosh";
        - "poisson" for counts: the prediction is the exponential of the output, hence
          positive, and the target is divided by its mean instead of being standardised;
        - "log_loss" for a target of 0 and 1 (or shares between them): the prediction is
          the probability of 1, the sigmoid of the output, and the target is left as it
          is;
        - "normal": the head puts out a mean and a variance for every row, and the loss is
          minus the logarithm of the normal density (Nix & Weigend 1994). `predict` gives
          the mean, and with ``return_std=True`` the spread as well;
        - ``("quantile", q)``: the prediction is the conditional quantile of level q
          (Koenker & Bassett 1978);
        - ``("quantile", (q1, q2, ...))``: one head for several rising levels, which do not
          cross. The loss of each level is divided by the one that normal noise has at that
          level, or else the median would decide alone. `predict` gives the level nearest
          to 0.5, `predict_quantiles` gives all;
        - the name of a Keras loss, a ``keras.losses.Loss`` (its reduction does nothing),
          or a function of (y_true, y_pred) that returns the loss of each cell. To be
          cloned, as in a search, a class of your own must be registered with
          ``keras.saving.register_keras_serializable`` and have a ``get_config``.
          ``keras.losses.Huber`` is refused, because its copies forget ``delta`` (Keras
          3.15): give ``functools.partial(keras.losses.huber, delta=2.0)`` instead.

        Losses see scaled targets. An error of 1, beyond which "huber" is linear, is one
        standard deviation. Keras' losses for classes, counts, relative errors or
        directions are refused: of scaled targets they would mean nothing.

    loss_weights : None, array-like of shape (T,), mapping, str or pair, default=None
        How much each target counts, by position or by target name. None is 1 for all, and
        0 switches a target off. The name of a method lets the weights adapt during
        training; validation losses are then not weighted. No method is better on every
        table: cross-validate it beside None. The Notes have the formulas and the gains.

        A pair of a method and weights, as in ``("famo", {"a": 2, "b": 1})``, lets them
        adapt and prefers some targets: the weights, divided by their mean, are then
        preferences, as the Notes say for each method. Heads and validation losses are
        weighted by them alone.

        Weights that follow from the losses hardly cost time, but for "famo", whose steps
        take 1.1 to 1.3 times as long. Try

        - "famo" first: where some targets lag behind, all losses are made to fall at
          the same relative rate (Liu et al. 2023);
        - "geometric" where losses differ much in size: halving any one of them is worth
          the same (GLS, Chennupati et al. 2019);
        - "uncertainty" where some targets are much noisier than others: weights are learnt
          along with the network, lower where the loss stays high (Kendall et al. 2018);
        - "dwa" where some targets learn more slowly: more weight where the loss fell less
          in the last two epochs (Liu et al. 2019);
        - "random" as a yardstick for the others: new random weights in every step (RLW,
          Lin et al. 2022).

        The others look at the gradients of the targets' losses for the layers that are
        shared, where one target may undo what another has learnt. Each head is trained on
        its own loss. A step takes about twice as long for 3 targets, and some 4 times for
        30. These methods do nothing where nothing is shared and trained. Try

        - "mgda" first: where no target may be given up for the others; the step follows
          the shortest of all weighted means (Désidéri 2012; Sener & Koltun 2018);
        - "pcgrad" where a few pairs of targets conflict: what runs against another gradient
          is taken away (Yu et al. 2020);
        - "cagrad" where the mean loss matters most, but the target that gains least is to
          gain more (Liu et al. 2021a);
        - "imtl_g" where gradients differ in length, and all targets are to come forward
          alike: the step has equal projections on all gradients (Liu et al. 2021b);
        - "nash" where losses have units that cannot be compared: how long a gradient is
          does not change the direction of the step (Navon et al. 2022);
        - "aligned" where one direction prevails in most gradients: they are made
          orthogonal first (Senushkin et al. 2023);
        - "upgrad" where no step may make any target worse, as far as gradients tell
          (Quinton & Rey 2024).

        "dwa", "geometric" and "famo" need losses that are positive, so not "normal".

    optimizer : str or keras.optimizers.Optimizer, default="adam"
        A Keras optimizer. An instance is used with its own learning rate (a number or a
        schedule), weight decay and other settings. The instance itself is not changed.

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
        Decoupled weight decay (Loshchilov & Hutter 2019): every step multiplies the
        kernels by ``1 - learning_rate * weight_decay``, and leaves the biases alone. Does
        nothing if `optimizer` is an instance, whose own weight decay then applies.

    ema_momentum : float in [0, 1), default=0.99
        Momentum of a moving average of the weights over the steps (Polyak & Juditsky
        1992). These averages are what is validated, kept and predicted with. In the first
        steps the momentum is smaller: at most (1 + t) / (10 + t) after t steps. 0 takes the
        weights as they are. Does nothing if `optimizer` is an instance, whose own
        ``use_ema`` and ``ema_momentum`` then apply.

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
        Hold out `validation_fraction` of the rows that `fit` is given, stop after
        `n_iter_no_change` epochs without a better loss on them, and keep the weights of
        the best epoch. Separate networks (sharing depth 0) each stop by the loss of their
        own target, and keep their own best epoch. A network of several targets goes by the
        mean of their losses; in large tables (see `learning_rate_schedule`) of the roots of
        squared errors, so that the noise of one hides less of what the others gain.

    scoring : str, or one per target, default="loss"
        What the best epoch is chosen by, and when to stop: "loss", or the name of a metric,
        as `skmtl.metrics.target_scorers` has them; for all targets, in a sequence of T, or
        in a mapping by target name, as in ``{"price": "r2", "sold": "roc_auc"}``. Higher
        is better. The mean over the targets decides, weighted by `loss_weights` if there
        are any. It is that of the rows held out, on observed cells, with sample weights,
        in the targets' own units: errors of targets in unlike units do not add up, so
        take "r2" or "neg_average_relative_rmse" there.

        - Of numbers: "r2", "neg_mean_absolute_error", "neg_root_mean_squared_error",
          "neg_average_relative_rmse". Of several quantiles, the one nearest to 0.5 is
          scored, of "normal" the mean.
        - Of targets of 0 and 1 with ``loss="log_loss"`` also "accuracy",
          "balanced_accuracy", "roc_auc", "neg_log_loss".
        - "loss" beside others is minus the target's loss, in scaled units.

        Expect little. On new rows of four tables each, by the metric's own measure, the
        absolute error was lower by 0.2 % and the balanced accuracy higher by 0.008 than
        with the loss (one small table of rare classes has most of that); "r2" and
        "roc_auc" gained nothing, and "accuracy", which jumps where the loss is smooth,
        lost on all four. A target whose score the rows held out do not tell, such as
        "roc_auc" without rows of each class, is left out with a warning. A function or
        scorer is refused, because whole epochs run in one compiled program: `callbacks`
        can call one, and stop training. Does nothing if `early_stopping` is False.

    validation_fraction : "auto", float in (0, 1) or splitter, default="auto"
        Share of rows to hold out, at random; of whole groups if `fit` is given `groups`.
        "auto" is an eighth, and at most 20 000 rows.
        Or a splitter of scikit-learn, such as ``TimeSeriesSplit()``: the test rows of its
        last split are validated on, and the others of that split trained on. Of several
        members each has another of the last splits. It is given what `fit` was, without
        rows that have no observed target (which a ``PredefinedSplit`` may count, too). Rows
        on neither side take no part in training.
        Give a splitter that shuffles a `random_state` of its own. Does nothing if
        `early_stopping` is False, or if `fit` is given `X_val`.

    n_iter_no_change : int or "auto", default="auto"
        Patience in epochs. "auto" is 40, or for large tables 15. It grows with "auto"
        `epochs` (see `learning_rate_schedule`). Does nothing if `early_stopping` is False.

    refit : bool or "auto", default="auto"
        Whether the rows that were held out are learnt from in the end: training goes on
        from the best epoch with all rows, for as many epochs as it took to get there. With
        True, that is done where all of this holds:

        ==================  ==========================================================
        rows                4096 or fewer: more rows gain nothing by it
        learning rate       constant, not falling to 0
        `max_seconds`       None
        best epoch          after more than half of `n_iter_no_change`: where the best
                            epoch comes early, more steps would overfit
        `early_stopping`    True, without `X_val` in `fit`
        `callbacks`         none, as they may stop training themselves
        ==================  ==========================================================

        "auto" means False where a target has the loss "log_loss" or several quantiles,
        because with more steps such a network becomes too sure of itself; else True.
        `history_` has no validation losses of these epochs.

    n_members : int, default=1
        Number of networks to train; the prediction is their mean (Lakshminarayanan et al.
        2017). Each has its own initial weights, validation rows and order of the rows. The
        validation rows are cut from one random order at equal distances: eight members hold
        out eight different eighths, which together are all rows. With ``learning_rate=2e-3,
        n_iter_no_change=20`` eight took 0.56 of the time; their errors were 0.4 % higher in
        the mean over nine tables, and 4 % on the worst.

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
        to `fit`. A few values may be so huge that all others would look the same in single
        precision: such a feature is centred on its median instead of its mean.

    clip_features : float or None, default=3.0
        The hidden layers see features that are cut off at so many standard deviations from
        the mean, in training and in prediction, so that a broken value neither decides the
        fit nor sends a prediction far off. The linear path, which can follow a trend
        there, sees three times as far; so does a network without hidden layers. None
        leaves features as they are. Does nothing if `scale_features` is False.

    n_bins : int or "auto", default="auto"
        Number of bins of each feature. "auto" is, for n rows and d features,

        =========  ====================================
        bins       if
        =========  ====================================
        0          n < 100 or n < 4 d
        64         n >= 32 max(128, d) and 5000 <= n < 100 000, else
        32         n >= 32 max(128, d), else
        16         n >= 16 max(128, d), else
        8          in all other cases
        =========  ====================================

        Bins make thresholds and bends easy to learn. The hidden layers see every feature
        as it is and, beside it, one number for each of its bins, which rises from 0 to 1
        while the feature crosses the bin (the piecewise-linear encoding of Gorishniy et al.
        2022), less its mean. Bins lie between quantiles of the rows given to `fit`, or, if
        there are more, of a random sample of 131072 (the same each time). Features of few
        values have fewer bins, and those of two values none. 0 is no bins. Does nothing if
        there are no hidden layers, or if `init_trunk` is given, whose bins are then used.

    scale_targets : bool, default=True
        Standardise each target, by the mean and the standard deviation of its observed
        rows. Without it, a target in large units dominates the loss.

    init_trunk : fitted MultiTaskRegressor, FrozenEstimator around one, keras.Model, \
            or None, default=None
        Network whose first layers the trunk starts from: the shared layers of an
        estimator, whose scaling and bins of the features are then used as well, or the
        first ``Dense`` layers of a Keras model. Their sizes and activation must be those of
        the trunk. In a search, give ``sklearn.frozen.FrozenEstimator(estimator)``, because
        scikit-learn clones an estimator that is a parameter, and a clone is not fitted.

    freeze_trunk : bool, default=False
        Train the heads only. The weights of the trunk stay bit for bit the same: those of
        `init_trunk`, or of the fit that `partial_fit` or `warm_start` goes on from. A
        warning says so if nothing has trained them.

    warm_start : bool, default=False
        Let `fit` go on from the present weights, optimizer state and scaling.

    callbacks : list of keras.callbacks.Callback or None, default=None
        Called at the start and end of training and of every epoch. Their logs are the
        entries of `history_`; their model holds the current weights, before averaging.
        Several members are trained one after the other. What callbacks set is taken over:
        weights, ``model.optimizer.learning_rate``, ``model.stop_training``. A callback
        for batches is refused, because an epoch is one call of a compiled program.

    verbose : int, default=0
        1 shows a progress bar with the losses, and says when a program is compiled; 0
        prints nothing.

    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the rows held out, the order of the rows and dropout.
        With the same int, a fit to the same data on the same machine gives the same bits,
        whatever ran in the process before. The global random state of NumPy, Python and
        TensorFlow is neither used nor changed.

    Attributes
    ----------
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

    target_means_ : ndarray of shape (n_outputs_,)
        Weighted mean of each target's observed cells in the first fit. The relative RMSE
        compares predictions with it (`skmtl.metrics.average_relative_rmse`).

    history_ : dict of list of float
        One entry per epoch: ``loss`` (mean over targets) and ``loss_<target>`` during the
        epoch and, on the rows held out, ``val_loss`` and ``val_loss_<target>`` after it.
        In units of the targets' variances if `scale_targets`. With `scoring` other than
        "loss" also ``val_score`` and ``val_score_<target>``. NaN where an epoch had no
        rows held out but others had. For several members, the mean over those that ran the
        epoch.

    n_iter_ : int
        Number of epochs run: the most of any member.

    cut_off_ : bool
        Whether `max_seconds` ended the last training, of any member, too early to judge the
        network by it: before half of the epochs that were planned if the step size falls,
        as that is 0 in time, and else before all of them.

    best_epoch_ : ndarray of int of shape (n_members, n_outputs_)
        For each member and target, the epoch of `history_`, counted from 1, whose weights
        the last call of `fit` or `partial_fit` kept for the network that the target is part
        of: that of the lowest validation loss (see `early_stopping`), or highest score if
        there is a `scoring`, or the last if no rows were held out. A refit goes on from
        there. Equal within a row unless targets have networks of their own
        (``sharing_depth`` 0, `target_groups`). 0 where `history_` has no such epoch, as
        for a target that `add_task` added, and after `merge_tasks`.

    loss_weights_ : ndarray of shape (n_outputs_,)
        Weight of each target's loss, as given. Where the weights adapt, the mean over the
        steps of the last epoch, preferences included. Equal weights are 1. `history_` has
        the weights of every epoch as ``loss_weight_<target>``. If another target is called
        ``weight_<target>``, its loss has that entry, and the weight is
        ``weight_of_loss_<target>``.

    model_ : keras.Model
        The fitted network as a Keras model of its own, in standard layers: raw features
        in, targets in their own units out. Several members give their mean. It is built
        when first asked for. It reads categories as their positions in `categories_`, and
        takes any other number, or NaN, for an unknown level. Missing numbers are NaN; where
        the fit had none of a feature, predictions are NaN, too.
        It reads features in double precision if single precision would not tell their
        values apart, such as time stamps in milliseconds, else in single. Keras itself
        rounds NumPy arrays to single in ``model_.predict(X)``, but not in ``model_(X)``,
        `predict_on_batch` or of a ``tf.data.Dataset``.
        To explain predictions with shap, use ``shap.Explainer(estimator.predict, X)``, or
        ``shap.GradientExplainer(estimator.model_, X)``. ``shap.DeepExplainer`` does not
        know layers that exist once for every target; once it has failed, shap leaves
        TensorFlow's gradients broken until the process is started anew.

    trunk_ : keras.Model
        The shared part of `model_`: raw features in, the output of the trunk out. If there
        are several trunks, of experts, groups or members, their outputs are side by side.

    See Also
    --------
    sklearn.neural_network.MLPRegressor : One network with every hidden layer shared.
    sklearn.multioutput.MultiOutputRegressor : Any estimator, once per target.

    Notes
    -----
    **Compiled programs.** Whole epochs run in one compiled program, which the next fit
    reuses. Networks of about the same layer sizes and number of features share it, so that
    a search over sizes compiles fewer programs than there are sizes. Which program trains a
    network depends on that network and its number of rows alone: results do not depend on
    what was trained before. Not shared are sizes of layers with the activation "sigmoid" or
    "softplus", and any sizes with the optimizers Muon and Adafactor, with an optimizer of
    your own, or with `callbacks`. TensorFlow keeps 12 to 40 MB for each program. After 100
    compilations all programs are destroyed, which gives back a third of that and keeps the
    process below Linux' limit of memory mappings; those still in use are compiled again.
    This waits until no thread is inside TensorFlow.

    The environment variable ``SKMTL_CACHE_DIR``, set before TensorFlow is imported, names a
    folder in which programs are kept for the next process, unless ``TF_XLA_FLAGS`` names
    one. Several processes may share it. A program that is damaged there is compiled again.

    **Loss weights that adapt.** L_t is the loss of target t, and the weights v have the
    mean 1::

        "famo"         v_t ~ z_t / L_t, z a softmax that a rule like Adam's moves so that
                       the logarithms of all losses fall alike
        "geometric"    minimises (L_1 ... L_T)^(1/T); here the mean of v is not 1
        "uncertainty"  minimises the mean of exp(-s_t) L_t + s_t, with log-variances s_t
                       that are learnt; v_t = exp(-s_t), whose mean is not 1 either
        "dwa"          v_t ~ exp(r_t / 2), r_t the loss of the last epoch, divided by that
                       of the epoch before
        "random"       v_t ~ exp(a normal random number)

    For the others, g_t is the gradient of L_t by the weights that targets share, G the
    matrix of the products g_s . g_t, and the step follows sum_t w_t g_t::

        "mgda"     min w^T G w over w >= 0 with sum 1
        "pcgrad"   the mean of g_t after, for every other s in random order, g_t loses its
                   projection on g_s wherever g_s . g_t < 0
        "cagrad"   the d of max_d min_t g_t . d, at most |g_0| / 2 from the mean g_0
        "imtl_g"   G w ~ (|g_1|, ..., |g_T|)
        "nash"     G w = 1 / w, a bargain, up to the length of the step
        "aligned"  the mean of the g_t after all singular values of their matrix are set to
                   the smallest one that is not 0
        "upgrad"   the mean of the g_t, each moved to the nearest d with g_s . d >= 0 for
                   all s

    Preferences p, whose mean is 1, come into it like this. Equal ones change nothing, and a
    target of preference 0 is switched off::

        "famo"         v_t ~ p_t z_t / L_t, and it is falls divided by p_t that become alike
        "geometric"    minimises (L_1^p_1 ... L_T^p_T)^(1/T)
        "uncertainty"  minimises the mean of p_t (exp(-s_t) L_t + s_t)
        "dwa"          v_t ~ p_t exp(r_t / 2)
        "random"       v_t ~ p_t exp(a normal random number)
        "mgda"         of the gradients g_t / p_t: the step comes forward along g_t in
                       proportion to p_t, for all targets that it weighs
        "imtl_g"       G w ~ (p_1 |g_1|, ..., p_T |g_T|)
        "nash"         G w = p / w: p are the powers of an asymmetric bargain
        others         what is a mean of all targets is weighted by p

    Published evidence is mixed: equal weights are often as good (Kurin et al. 2022; Xin et
    al. 2022). On 26 tables of 200 rows, "famo" and "geometric" took 2.2 % off the error
    (standard errors 1.0 and 1.3), "mgda" 1.0 % (0.4), no other more than 0.6 %. Without one
    of these tables, on which single rows decide, it was 1.4, 1.5 and 0.7 %.

    Any estimator can be pickled. ``skops.io`` cannot save one whose `optimizer` is an
    instance, for TensorFlow's objects in it refuse that: give its name, or, once fitted,
    call ``set_params(optimizer="adam")`` before saving, which changes no prediction.

    References
    ----------
    R. Caruana, "Multitask Learning", Machine Learning 28, 41-75 (1997).

    H.-T. Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS (2016).

    S. Chennupati et al., "MultiNet++", CVPR workshops (2019).

    J.-A. Désidéri, "Multiple-gradient descent algorithm (MGDA) for multiobjective
    optimization", Comptes Rendus Mathematique 350 (2012).

    Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical Features in
    Tabular Deep Learning", NeurIPS (2022).

    A. Kendall, Y. Gal and R. Cipolla, "Multi-Task Learning Using Uncertainty to Weigh
    Losses for Scene Geometry and Semantics", CVPR (2018).

    V. Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task
    Learning", NeurIPS (2022).

    B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable Predictive
    Uncertainty Estimation using Deep Ensembles", NeurIPS (2017).

    R. Koenker and G. Bassett, "Regression Quantiles", Econometrica 46, 33-50 (1978).

    B. Lin et al., "Reasonable Effectiveness of Random Weighting", TMLR (2022).

    B. Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS
    (2021a); "FAMO: Fast Adaptive Multitask Optimization", NeurIPS (2023).

    L. Liu et al., "Towards Impartial Multi-task Learning", ICLR (2021b).

    S. Liu, E. Johns and A. J. Davison, "End-to-End Multi-Task Learning with Attention",
    CVPR (2019).

    I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    ICLR (2017); "Decoupled Weight Decay Regularization", ICLR (2019).

    J. Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts", KDD (2018).

    A. Navon et al., "Multi-Task Learning as a Bargaining Game", ICML (2022).

    D. A. Nix and A. S. Weigend, "Estimating the Mean and Variance of the Target
    Probability Distribution", ICNN (1994).

    B. T. Polyak and A. B. Juditsky, "Acceleration of Stochastic Approximation by
    Averaging", SIAM Journal on Control and Optimization 30, 838-855 (1992).

    P. Quinton and V. Rey, "Jacobian Descent for Multi-Objective Optimization",
    arXiv:2406.16232 (2024).

    O. Sener and V. Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS
    (2018).

    D. Senushkin et al., "Independent Component Alignment for Multi-Task Learning", CVPR
    (2023).

    H. Tang et al., "Progressive Layered Extraction (PLE)", RecSys (2020).

    D. Xin et al., "Do Current Multi-Task Optimization Methods in Deep Learning Even
    Help?", NeurIPS (2022).

    T. Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS (2020).

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from sklearn.model_selection import GridSearchCV
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> search = GridSearchCV(
    ...     MultiTaskRegressor(epochs=5, random_state=0), {"sharing_depth": [0, 1, 2, 3]}
    ... )
    >>> search.fit(X, y).predict(X[:2]).shape
    (2, 2)

    A loss and a weight per target, and heads that share their output layer:

    >>> model = MultiTaskRegressor(
    ...     loss={"heating_load": "huber", "cooling_load": ("quantile", 0.9)},
    ...     loss_weights={"heating_load": 1, "cooling_load": 2},
    ...     share_output=True,
    ...     epochs=5,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> model.loss_weights_
    array([1., 2.])

    Experts that the targets mix, and gradients that don't fight:

    >>> model = MultiTaskRegressor(
    ...     n_experts=4, loss_weights="upgrad", epochs=5, random_state=0
    ... ).fit(X, y)
    >>> model.gates(X).shape
    (768, 2, 4)

    Loss weights that are learnt, of targets of which one is preferred:

    >>> preferred = ("uncertainty", {"heating_load": 3, "cooling_load": 1})
    >>> model = model.set_params(n_experts=1, loss_weights=preferred).fit(X, y)
    >>> model.loss_weights_.shape
    (2,)

    Eight networks, each with validation rows of its own, and where they disagree:

    >>> ensemble = MultiTaskRegressor(n_members=8, epochs=5, random_state=0).fit(X, y)
    >>> mean, std = ensemble.predict(X, return_std=True)
    >>> mean.shape, std.shape
    ((768, 2), (768, 2))

    New heads on a trained trunk, and one more target later on:

    >>> source = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
    >>> model = MultiTaskRegressor(
    ...     init_trunk=source, freeze_trunk=True, epochs=5, random_state=0
    ... ).fit(X, y["heating_load"])
    >>> model.add_task(X, y["cooling_load"]).target_names_.tolist()
    ['heating_load', 'cooling_load']
    >>> model.trunk_.output_shape
    (None, 128)
    """

    # The public place, by which files and messages know the class wherever it is moved.
    __module__ = "skmtl"

    target_means_: Floats

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "loss": "no_validation",  # checked in training, which imports Keras
        "scale_targets": ["boolean"],
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
        loss: Loss = "squared_error",
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
        scale_targets: bool = True,
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
        self.loss = loss
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
        self.scale_targets = scale_targets
        self.init_trunk = init_trunk
        self.freeze_trunk = freeze_trunk
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @overload
    def predict(self, X: ArrayLike, return_std: Literal[False] = False) -> Floats: ...

    @overload
    def predict(self, X: ArrayLike, return_std: Literal[True]) -> tuple[Floats, Floats]: ...

    @overload
    def predict(self, X: ArrayLike, return_std: bool) -> Floats | tuple[Floats, Floats]: ...

    def predict(
        self, X: ArrayLike, return_std: bool = False
    ) -> Floats | tuple[Floats, Floats]:
        """Predict all targets.

        Up to 32768 rows in one call are predicted in double precision. What a row gets then
        does not depend, beyond rounding (1e-12), on the rows beside it. More rows are
        predicted in single precision, as in training, which takes a third of the time. The
        prediction of a row then differs by some millionths of the target's standard
        deviation. Call `predict` for fewer rows at a time to avoid that.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: numbers and categories, either of which may be missing.
        return_std : bool, default=False
            Also return a standard deviation for every prediction. What it means depends
            on the target's loss. With "normal" it is the whole spread of the target around
            its prediction: the mean of the members' variances, plus the variance of their
            means (Lakshminarayanan et al. 2017). With any other loss it is how far the
            members' predictions spread around their mean. That tells where the networks
            disagree, but it is no error bar: it leaves out the noise of the target.

        Returns
        -------
        mean : ndarray of shape (n, T), or (n,) if `y` was 1-D in `fit`
            Predictions in the targets' own units, float64: the mean over members. With
            several quantiles, the one of the level nearest to 0.5.
        std : ndarray of the same shape
            In the same units; over members the deviation divides by their number. Only if
            `return_std`.

        Raises
        ------
        ValueError
            If X is not usable, or if `return_std` is asked of a single member and a loss
            other than "normal".

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(loss="normal", epochs=5, random_state=0).fit(X, y)
        >>> model.predict(X).shape
        (768, 2)
        >>> mean, std = model.predict(X, return_std=True)
        >>> bool((std > 0).all())
        True
        """
        check_is_fitted(self)
        X = check_features(self, X, reset=False)
        if not return_std:
            predictions = [member.predict(X) for member in self._members]
            return self._shaped(sum(predictions) / len(predictions))
        others = [not kind.has_variance for kind in self._network.kinds]
        if len(self._members) == 1 and any(others):
            raise ValueError(
                "return_std=True needs several members for "
                f"{listed('target', list(self.target_names_[others]))}, but there is one: "
                "fit with n_members=8, for example, or with loss='normal'."
            )
        outputs = [member.outputs(X) for member in self._members]
        pairs = list(zip(self._members, outputs, strict=True))
        variance = sum(member.variances(f) for member, f in pairs) / len(pairs)
        predictions = [member.decode(f) for member, f in pairs]
        std = np.sqrt(variance + np.var(predictions, axis=0))
        return self._shaped(sum(predictions) / len(pairs)), self._shaped(std)

    def predict_quantiles(self, X: ArrayLike) -> Floats:
        """Predict the quantiles that the loss ``("quantile", levels)`` asks for.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: numbers and categories, either of which may be missing.

        Returns
        -------
        ndarray of shape (n, T, Q), or (n, Q) if `y` was 1-D in `fit`
            The quantiles of the Q levels, from the lowest to the highest, in the targets'
            own units: the mean over members. They never cross. NaN for targets with
            another loss.

        Raises
        ------
        ValueError
            If no target has such a loss with several levels, or if they have not the same
            levels.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> loss = ("quantile", (0.05, 0.5, 0.95))
        >>> model = MultiTaskRegressor(loss=loss, epochs=5, random_state=0).fit(X, y)
        >>> model.predict_quantiles(X).shape
        (768, 2, 3)
        """
        check_is_fitted(self)
        X = check_features(self, X, reset=False)
        found = {kind.levels for kind in self._network.kinds if kind.levels}
        if len(found) != 1:
            raise ValueError(
                "predict_quantiles needs targets with the same several levels, as in "
                "loss=('quantile', (0.05, 0.5, 0.95)); the estimator was fitted with "
                f"{' and '.join(map(str, sorted(found))) or 'none'}."
            )
        (levels,) = found
        quantiles = [m.quantiles(m.outputs(X), levels) for m in self._members]
        return self._shaped(sum(quantiles) / len(quantiles))

    def _shaped(self, predicted: Any) -> Floats:
        """Without the axis of targets if y was 1-D."""
        return predicted[:, 0] if self._one_dimensional else predicted

    def score(
        self, X: ArrayLike, y: Targets, sample_weight: ArrayLike | None = None
    ) -> float:
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

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
        >>> model.score(X, y) < 1.0
        True
        """
        return r2_of(self, X, y, sample_weight)

    def add_task(
        self,
        X: ArrayLike,
        y: Targets,
        name: str | None = None,
        *,
        loss: Loss | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add a target: train a head for it on the fitted trunk, which stays as it is.

        The weights of the other targets stay bit for bit the same, and their predictions
        up to rounding (1e-12). The optimizer's state is given up: `partial_fit` then starts
        with a new one.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, the same as in `fit`; the rows may be others.
        y : array-like of shape (n,) or (n, 1)
            The new target; NaN means "not observed".
        name : str, default=None
            Its name; by default that of the Series or column, else ``target_<T>``.
        loss : default=None
            Its loss, as for one target in the parameter `loss`. None means the loss of the
            other targets, which must then have the same. Where the parameters `loss` and
            `loss_weights` have an entry for each target, they get one for the new target.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        self : MultiTaskRegressor

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y["heating_load"])
        >>> model.add_task(X, y["cooling_load"]).predict(X).shape
        (768, 2)
        """
        name = self._check_new_task(y, name)
        losses = with_new_target(self.loss, loss, self.n_outputs_, name)
        own = self.loss if loss is None else loss
        self._add_task(X, y, name, sample_weight, {"loss": losses}, loss=own)
        return self

    def to_scikeras(self, **kwargs: Any) -> KerasMultiTaskRegressor:
        """The same network as a scikeras ``KerasRegressor``, trained by Keras' own loop.

        Use it for what a compiled loop cannot do: callbacks at every batch, or a training
        step of your own. It starts from the weights of this estimator if that is fitted,
        else from new ones, and has the same scaling, masking, losses and sample weights.
        It trains for all `epochs`: early stopping is left to Keras' callbacks and
        ``validation_split``.

        Parameters
        ----------
        **kwargs
            Parameters of ``scikeras.wrappers.KerasRegressor``, routed ones such as
            ``optimizer__learning_rate`` too; by default those of this estimator.
            ``random_state`` switches TensorFlow to deterministic operations for the rest
            of the process.

        Returns
        -------
        scikeras.wrappers.KerasRegressor
            A clone-able, unfitted regressor.

        Raises
        ------
        ImportError
            If scikeras is missing or does not work beside the installed Keras.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(epochs=2).to_scikeras(optimizer__learning_rate=0.01)
        >>> model.fit(X, y).predict(X).shape
        (768, 2)
        """
        from .scikeras import bridge

        return bridge(self, **kwargs)

    def _check_y(self, y):
        Y, one_dimensional = check_targets(y, estimator=self)
        return CheckedTargets(Y, Y, one_dimensional)

    def _in_numbers(self, table, columns, resume, announced):
        kinds = [loss.kind for loss in self._task_losses(table.names, None)]
        check_values(table.Y, table.W, kinds, table.names)
        return table

    def _target_scaling(self, table, kinds):
        standard = Scaling.fit(table.Y, table.W)
        self.target_means_ = standard.mean
        return (
            standard.for_kinds(kinds)
            if self.scale_targets
            else Scaling.identity(len(kinds))
        )

    def _own_parameters(self):
        losses = per_target("loss", self.loss, self.target_names_, is_one_loss)
        return [{"loss": loss} for loss in losses]

    def _join_targets(self, parts):
        self._classes = None
        self.target_means_ = np.concatenate([part.target_means_ for part in parts])

    def _task_losses(self, names, classes):
        from .._training import task_losses

        return task_losses(self.loss, names)


# Its examples are run though it says that it is from elsewhere.
__test__ = {"MultiTaskRegressor": MultiTaskRegressor}
