"""What the estimators have in common: training, members, persistence."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._all_or_nothing import all_or_nothing
from .._network.grafting import add_head, with_trunk, with_unmet_levels
from .._network.heads import first_outputs
from .._network.network import Network
from .._network.scaling import Scaling
from .._network.serialization import as_plain, from_plain
from .._runtime.forks import check_not_forked
from .._tables.categories import Categories, check_levels_repeat
from .._tables.features import check_features
from .._tables.known_levels import check_named_again
from .._tables.per_target import is_one_score, with_new_score, with_new_weight
from .._tables.table import CheckedTargets, Table
from .._tables.targets import loss_weight_entries, new_target_name
from .._types import Floats, Targets
from .architecture import architecture_of, inputs_of, warn_of_random_trunk
from .automatic import Course, course_of, one_epoch_of
from .init_trunk import trunks_of
from .network_diagram import network_svg
from .pickle_versions import with_version, without_version
from .reading import read_own_rows, read_table, with_later_levels
from .training_plan import check_balancing, generator, last_loss_weights, make_plan
from .validation import Given, parts_of
from .warm_start import check_same, check_same_categories

if TYPE_CHECKING:  # takes in TensorFlow
    import keras


class BaseMultiTask(MultiOutputMixin, BaseEstimator, metaclass=ABCMeta):
    """A network with a shared trunk and a head per target, trained and kept.

    Subclasses say what targets are, which loss each has, and what is predicted.
    """

    n_features_in_: int
    feature_names_in_: NDArray[Any]
    is_categorical_: NDArray[np.bool_] | None
    categories_: Categories
    n_outputs_: int
    target_names_: NDArray[Any]
    history_: dict[str, list[float]]
    n_iter_: int
    cut_off_: bool
    best_epoch_: NDArray[np.integer[Any]]
    loss_weights_: Floats
    _members: list[Network]
    _classes: Any  # labels of each target, None where targets are numbers
    # Of all rows of levels, those that no training had; without any in older files.
    _unmet_levels: NDArray[np.integer[Any]] = np.zeros(0, dtype=int)
    _largest_chunk: int = 0  # rows in a call of `partial_fit`, and how many calls:
    _n_chunks: int = 0
    _one_dimensional: bool

    @abstractmethod
    def _check_y(self, y) -> CheckedTargets:
        """The targets, checked on their own."""

    @abstractmethod
    def _in_numbers(self, table: Table, columns, resume: bool, announced) -> Table:
        """The table with targets that losses can see, and the weights of their cells.

        ``columns`` are the targets as `_check_y` has them, ``announced`` the classes that a
        first `partial_fit` names.
        """

    @abstractmethod
    def _target_scaling(self, table: Table, kinds) -> Scaling:
        """The units in which losses see the targets, chosen by a first fit."""

    @abstractmethod
    def _task_losses(self, names, classes) -> tuple:
        """The loss of each target, of these names and, if they are labels, classes."""

    @abstractmethod
    def _own_parameters(self) -> list[dict]:
        """Of each target, the parameters that others may have otherwise, by name."""

    @abstractmethod
    def _join_targets(self, parts: Sequence[BaseMultiTask]) -> None:
        """Take over what is known of the targets of these fitted estimators."""

    def fit(
        self,
        X: ArrayLike,
        y: Targets,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: Targets | None = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: numbers and categories, either of which may be missing.
        y : array-like or DataFrame of shape (n, T), or (n,)
            Targets. NaN, None, or a mask means "not observed": the cell has no influence.
            Rows without any observed target are left out with a warning.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            How much each row, or each cell, counts; not negative. Weight 0 is the same
            as leaving the cell or row out. Columns of a DataFrame are matched by name with
            those of `y`, rows go by position.
        X_val, y_val : as X and y, default=None
            Rows to validate on, both or neither. Early stopping then goes by these alone:
            all of X is trained on, whatever `validation_fraction`, by all members, and no
            `refit` follows. Scaling, bins, levels of categories and classes are those of X
            and y. Each target needs an observed value here, too. A Pipeline transforms
            X_val like X with metadata routing and ``transform_input=["X_val"]``.
        sample_weight_val : array-like of shape (n_val,) or (n_val, T), default=None
            As `sample_weight`, for the rows to validate on.
        groups : array-like of shape (n,), default=None
            What each row belongs to, such as a patient. No group is then on both sides: of
            the rows held out, and those to train on. A splitter that is
            `validation_fraction` gets them. Does nothing if no rows of X are held out.

        Returns
        -------
        self : the estimator

        Raises
        ------
        ValueError
            If a parameter or the data is not usable (the message names the column), or if
            training diverges. An estimator that was fitted before then stays as it was.
        RuntimeError
            In a process that was forked when TensorFlow had started, as by a fit: it would
            hang there.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
        >>> model.target_names_.tolist()
        ['heating_load', 'cooling_load']
        >>> len(model.history_["loss"]) >= 5
        True

        Trained on the first rows, and validated on the last:

        >>> model = model.fit(X[:600], y[:600], X_val=X[600:], y_val=y[600:])
        """
        resume = self.warm_start and self.__sklearn_is_fitted__()
        given = Given(X, y, groups, X_val, y_val, sample_weight_val)
        return self._train(X, y, sample_weight, resume, given)

    def partial_fit(
        self,
        X: ArrayLike,
        y: Targets,
        sample_weight: ArrayLike | None = None,
        categories: Mapping[Any, ArrayLike] | None = None,
    ) -> Self:
        """Train for one epoch over these rows, from where the last call ended.

        The first call fixes features, targets, levels and scaling. No rows are held out.
        How the step size goes on: see `learning_rate_schedule`.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        categories : dict of list of levels, by column name or position, default=None
            All levels that categorical features will have in this call and later ones.
            Others are then unknown. Of a feature that is not named, the first call knows
            the levels that X has, and those that the type of its column declares: a
            category of pandas, an Enum of polars, a dictionary of pyarrow, or bool. Until a
            level is met, it predicts what an unknown one does. Later calls may leave
            `categories` out, or repeat it. Does nothing for features of an `init_trunk`,
            whose levels are used.

        Returns
        -------
        self : the estimator

        Raises
        ------
        ValueError
            If `categories` names a feature that is not categorical, or none of the levels
            that X has, or, in a later call, a level that is new; and whatever `fit` raises.

        Warns
        -----
        ConvergenceWarning
            If a step size that falls to 0 over `epochs` calls has done so already.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(random_state=0)
        >>> for first in range(0, 768, 256):
        ...     rows = slice(first, first + 256)
        ...     model = model.partial_fit(X[rows], y[rows])
        >>> model.n_iter_
        3

        Three passes over three chunks, with a step size that falls to 0:

        >>> model = MultiTaskRegressor(
        ...     epochs=3 * 3, learning_rate_schedule="cosine", random_state=0
        ... )
        >>> for first in 3 * [0, 256, 512]:
        ...     rows = slice(first, first + 256)
        ...     model = model.partial_fit(X[rows], y[rows])

        Levels that later rows will have:

        >>> import pandas as pd
        >>> X = pd.DataFrame({"kind": ["a", "b"] * 20, "size": range(40)})
        >>> model = MultiTaskRegressor(random_state=0)
        >>> model = model.partial_fit(X, X["size"], categories={"kind": ["a", "b", "c"]})
        >>> model.categories_["kind"].tolist()
        ['a', 'b', 'c']
        """
        resume = self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, resume, categories=categories)

    @property
    def model_(self) -> keras.Model:
        """The fitted network as a Keras model, built when first asked for.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
        >>> model.model_.input_shape
        (None, 8)
        """
        check_is_fitted(self)
        check_not_forked()
        if not hasattr(self, "_model"):
            from .._training import build_ensemble

            self._model = build_ensemble(
                self._members, self.dropout, one_dimensional=self._one_dimensional
            )
        return self._model

    @property
    def trunk_(self) -> keras.Model:
        """The shared part as a Keras model: raw features in, representation out.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
        >>> model.trunk_.output_shape
        (None, 128)
        """
        check_is_fitted(self)
        from .._training import build_trunk

        return build_trunk(self._members)

    def gates(self, X: ArrayLike) -> Floats:
        """How much of each expert every target takes, row by row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features: numbers and categories, either of which may be missing.

        Returns
        -------
        ndarray of shape (n, T, E)
            Shares that sum to 1 over the E experts: those of all targets, then those of the
            target itself. Of several members, whose experts have nothing to do with each
            other, those of one after the other.

        Raises
        ------
        ValueError
            If there is but one trunk, or one for each group of targets.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(n_experts=4, epochs=5, random_state=0).fit(X, y)
        >>> model.gates(X).shape
        (768, 2, 4)
        """
        check_is_fitted(self)
        if not self._network.architecture.gated:
            raise ValueError(
                "There are no gates, for all that a target reads is one trunk: fit with "
                "n_experts of 2 or more, or n_task_experts of 1 or more, and a "
                "sharing_depth of 1 or more."
            )
        X = check_features(self, X, reset=False)
        of_members = [member.gates(X) for member in self._members]
        return np.concatenate(of_members, axis=2) / len(of_members)

    def _add_task(self, X, y, name, sample_weight, with_entries, **own) -> None:
        """Add a target, with parameters of its own for its head.

        ``with_entries`` are parameters of this estimator afterwards.
        """
        check_features(self, X, reset=False)
        head = clone(self).set_params(
            loss_weights=None,
            init_trunk=FrozenEstimator(self),
            freeze_trunk=True,
            warm_start=False,
            scoring=self.scoring if is_one_score(self.scoring) else "loss",
            **own,
        )
        head.fit(X, y, sample_weight)
        self.set_params(
            loss_weights=with_new_weight(self.loss_weights, name),
            scoring=with_new_score(self.scoring, name),
            **with_entries,
        )
        members = [
            add_head(*pair) for pair in zip(self._members, head._members, strict=True)
        ]
        names = np.append(self.target_names_, np.array([name], dtype=object))
        # The loss of the new target may be called what an old one's weight is called.
        before = loss_weight_entries(list(self.target_names_))
        after = loss_weight_entries(list(names))[:-1]
        renamed = dict(zip(before, after, strict=True))
        self.history_ = {renamed.get(key, key): v for key, v in self.history_.items()}
        self._unmet_levels = head._unmet_levels
        self.cut_off_ = self.cut_off_ or head.cut_off_
        self._take_over(members, names, np.append(self.loss_weights_, 1.0), [self, head])

    def _check_new_task(self, y, name) -> str:
        """The name of a target to add."""
        check_is_fitted(self)
        if self.share_output:
            raise ValueError(
                "add_task trains a head with an output of its own, but share_output=True "
                "has one output for all. Fit with share_output=False."
            )
        if self._network.architecture.groups or self._network.architecture.n_task_experts:
            raise ValueError(
                "add_task trains a head on a trunk that stays as it is, but with "
                "target_groups or n_task_experts a new target needs a part of it for "
                "itself. Fit with n_experts alone, or fit all targets together."
            )
        n_columns = self._check_y(y).Y.shape[1]
        return new_target_name(y, n_columns, name, self.target_names_)

    def for_prediction(self) -> Self:
        """A copy without the optimizer's state: the same predictions from a smaller file.

        Most of a pickled estimator is what only further training needs: the weights
        before averaging, and the optimizer's two or so numbers per weight. Without them,
        `partial_fit` and `warm_start` go on from the same weights with a new optimizer.
        What is held by parameters, such as `init_trunk`, stays.

        Returns
        -------
        MultiTaskRegressor
            Fitted; of its own, so that training it leaves this estimator alone.

        Examples
        --------
        >>> import pickle
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
        >>> len(pickle.dumps(model.for_prediction())) < len(pickle.dumps(model)) / 3
        True
        """
        check_is_fitted(self)
        lean = copy.copy(self)
        lean._members = [
            dataclasses.replace(m, optimizer_state=None) for m in self._members
        ]
        return lean

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_members")

    @property
    def _fitted_losses(self) -> tuple:
        """The loss of each target that the network was fitted to."""
        return self._task_losses(self.target_names_, self._classes)

    @property
    def _network(self) -> Network:
        """Any member, for what is common to all: architecture, scaling, kinds of heads."""
        return self._members[0]

    def _repr_html_inner(self):
        return super()._repr_html_inner() + network_svg(self)

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._repr_html_inner()
        return bundle

    def __getstate__(self):
        # Weights are kept as arrays; model_ is made of them when it is asked for.
        state = super().__getstate__()
        state = {k: v for k, v in state.items() if k != "_model"}
        if "_members" in state:
            state["_members"] = as_plain(state["_members"])
        return with_version(state)

    def __setstate__(self, state):
        state = without_version(state, type(self).__name__)
        # Parameters that are newer than the file have their defaults.
        defaults = inspect.signature(type(self)).parameters.items()
        state = {name: parameter.default for name, parameter in defaults} | state
        if "_members" in state:
            state["_members"] = from_plain(state["_members"])
            state["categories_"] = Categories(state.get("categories_", {}))
            state.setdefault("is_categorical_", None)
            state.setdefault("cut_off_", False)
        super().__setstate__(state)

    def _train(
        self, X, y, sample_weight, resume, given=None, *, classes=None, categories=None
    ):
        """Fit to a whole table, or to a chunk of one if ``given`` is None."""
        check_not_forked()
        with all_or_nothing(self):
            self._validate_params()
            if given is not None:
                given.check(self.early_stopping)
            table = read_table(self, X, y, sample_weight, resume, classes)
            if resume:
                kinds = [loss.kind for loss in self._fitted_losses]
                check_same(self, self._members, tuple(kinds))
                check_same_categories(self, X)
                check_named_again(self, X, categories)
            elif given is None:
                table = with_later_levels(self, table, X, categories)
                self._start(table, of_chunk=True)
            else:
                check_levels_repeat(table.X, self.categories_, self.is_categorical_)
                self._start(table)
            self._run_epochs(table, given)
        return self

    def _start(self, table: Table, of_chunk: bool = False) -> None:
        """Fresh networks, scaled to these rows."""
        self.n_outputs_, self.target_names_ = len(table.names), table.names
        self._classes, self._one_dimensional = table.classes, table.one_dimensional
        # Two generators, so that rows are held out and shuffled alike for any network.
        weights_rng, self._rng = generator(self.random_state).spawn(2)
        kinds = tuple(loss.kind for loss in self._fitted_losses)
        check_balancing(self.loss_weights, kinds, table.names)
        targets = self._target_scaling(table, kinds)
        trunks = self._trunks()
        of_rows, trunk = table.W.sum(axis=1), trunks[0] if trunks else None
        features = inputs_of(self, table.X, of_rows, trunk, of_chunk)
        architecture = architecture_of(self, features, kinds)
        warn_of_random_trunk(self, architecture)
        members = [
            Network.untrained(architecture, weights_rng, features, targets, kinds)
            for _ in range(self.n_members)
        ]
        if not architecture.share_output:
            start = first_outputs(kinds, table.Y, table.W)
            members = [member.starting_at(start) for member in members]
        if trunks:
            members = [with_trunk(*pair) for pair in zip(members, trunks, strict=True)]
        self._members = members
        self._largest_chunk = self._n_chunks = 0
        self._categorical_features = copy.deepcopy(self.categorical_features)
        self.history_, self.n_iter_ = {}, 0

    def _trunks(self):
        """What the members start from, if anything."""
        if self.init_trunk is None:
            return []
        names = getattr(self, "feature_names_in_", None)
        return trunks_of(self.init_trunk, self.n_members, self.n_features_in_, names)

    def _run_epochs(self, table: Table, given: Given | None) -> None:
        """Train the members on these rows and take over what comes out.

        Rows are held out, or rows of their own validated on, if ``given`` says what of.
        """
        from .._training import extended_history, train_members

        rng = copy.deepcopy(self._rng)  # a failed fit draws nothing
        n_members = len(self._members)
        parts: list[tuple[Any, Any]] = [(slice(None), slice(0))] * n_members
        own_rows = None
        if given is not None and given.has_own_rows:
            own_rows = read_own_rows(self, given, table)
        elif given is not None and self.early_stopping:
            parts = parts_of(given, table, self.validation_fraction, rng, n_members)
        seeds = rng.integers(2**63, size=n_members).tolist()
        names: Any = table.names
        course = self._course(len(table.X), of_chunk=given is None)
        plan = make_plan(self, self._fitted_losses, names, self._one_dimensional, course)
        members, history, best, cut_off = train_members(
            plan, self._members, table, parts, seeds, own_rows
        )
        self.__dict__.pop("_model", None)
        self._members, self._rng = self._meeting_levels(members, table.X), rng
        self.loss_weights_ = last_loss_weights(plan, members, history)
        self.best_epoch_ = np.where(best > 0, self.n_iter_ + best, 0)
        self.history_ = extended_history(self.history_, self.n_iter_, history)
        self.n_iter_ += len(history["loss"])
        self.cut_off_ = cut_off

    def _course(self, n_rows: int, of_chunk: bool) -> Course:
        """How training on so many rows goes."""
        if not of_chunk:
            return course_of(self, n_rows)
        # A last chunk is smaller than others, and no small table.
        self._largest_chunk = max(self._largest_chunk, n_rows)
        state = self._network.optimizer_state
        n_steps = 0 if state is None else int(state.values[0])  # Keras counts them first
        self._n_chunks += 1
        return one_epoch_of(self, self._largest_chunk, n_steps, self._n_chunks - 1)

    def _meeting_levels(self, members: list[Network], X: np.ndarray) -> list[Network]:
        """The members, to which levels are unknown that no training had until now."""
        if not len(self._unmet_levels):
            return members
        features = members[0].features
        met = np.append(features.rows_of_levels(X), features.unknown)
        self._unmet_levels = np.setdiff1d(self._unmet_levels, met)
        return [with_unmet_levels(member, self._unmet_levels) for member in members]

    def _take_over(self, members, names, loss_weights, parts):
        """Become the estimator of networks with the targets of these estimators."""
        vars(self).pop("_model", None)
        self._join_targets(parts)
        self._members = members
        self.target_names_ = names
        self.n_outputs_ = len(names)
        self.loss_weights_ = loss_weights
        known = getattr(self, "best_epoch_", np.zeros((len(members), 0), dtype=int))
        new = np.zeros((len(members), len(names) - known.shape[1]), dtype=int)
        self.best_epoch_ = np.hstack([known, new])
        self._one_dimensional = False
