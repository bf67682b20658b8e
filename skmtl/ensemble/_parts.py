"""The parts of a stack: what each can be fitted to, and what it predicts once fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import PredefinedSplit
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits

from .._estimators.automatic import MANY_ROWS, chosen_for
from .._estimators.base import BaseMultiTask
from .._estimators.fit_parameters import fit_parameters, innermost
from .._tables.labels import index_of
from ._targets import Targets, plain_labels

FEW_ROWS = 5000  # up to which there are folds, and more kinds of parts
FEW_CELLS = 2000  # likewise folds: of the target with the fewest rows, or groups
ROWS_FOR_THREADS = 50_000  # up to which a fit has one thread of OpenMP
N_MEMBERS, MOST_ROWS_FOR_MEMBERS = 8, 1000


def n_members_for(n_rows: int) -> int:
    """Members of the default network: several where a fit is short."""
    return N_MEMBERS if n_rows <= MOST_ROWS_FOR_MEMBERS else 1


def are_many(targets: Targets) -> bool:
    """Whether there are rows enough for a part of them to say the weights."""
    return bool(targets.counted.sum() > FEW_ROWS) and targets.fewest > FEW_CELLS


@dataclass(frozen=True, eq=False)
class FittedPart:
    """A part, fitted to some rows: one estimator for all targets, or one for each."""

    estimators: list[Any]
    joint: bool

    def predict(self, X, wanted: np.ndarray) -> np.ndarray:
        """The targets that are wanted (n, T); others may be anything finite."""
        if self.joint:
            return np.asarray(self.estimators[0].predict(X)).reshape(len(X), -1)
        columns = [
            model.predict(X) if wants else np.zeros(len(X))
            for model, wants in zip(self.estimators, wanted, strict=True)
        ]
        return np.column_stack(columns)

    def probabilities(self, X, wanted: np.ndarray, classes) -> list[np.ndarray]:
        """Of every target's classes; those that the part does not know have 0."""
        if self.joint:
            known, parts = self.estimators[0].classes_, self.estimators[0].predict_proba(X)
            if not isinstance(parts, list):
                known, parts = [known], [parts]
            triples = zip(parts, known, classes, strict=True)
            return [_aligned(part, index_of(own), labels) for part, own, labels in triples]
        found = []
        for model, wants, labels in zip(self.estimators, wanted, classes, strict=True):
            whole = np.zeros((len(X), len(labels)))
            if wants:
                known = index_of(model.classes_)
                whole = _aligned(model.predict_proba(X), known, plain_labels(labels))
            found.append(whole)
        return found

    @property
    def shown(self) -> Any:
        """As `estimators_` has it."""
        return self.estimators[0] if self.joint else self.estimators


def _aligned(part: np.ndarray, known, labels: np.ndarray) -> np.ndarray:
    """Probabilities with a column for each of the labels, of an index of some of them."""
    whole = np.zeros((len(part), len(labels)))
    whole[:, index_of(labels).get_indexer(known)] = part
    return whole


def fit_part(
    name: str,
    estimator,
    X,
    targets: Targets,
    rows: np.ndarray,
    held_out: np.ndarray | None = None,
) -> FittedPart:
    """Fit a clone of a part to these rows; a network may be told which to hold out."""
    if held_out is not None:
        split = PredefinedSplit(np.where(np.isin(rows, held_out), 0, -1))
        told = clone(estimator).set_params(validation_fraction=split)
        fitted_part = fit_part(name, told, X, targets, rows)
        fitted_part.estimators[0].set_params(
            validation_fraction=estimator.validation_fraction
        )
        return fitted_part
    # Boosted trees take longer with several threads: where others keep the cores busy, up
    # to a hundred times.
    n_threads = 1 if len(rows) <= ROWS_FOR_THREADS else None
    joint = is_joint(estimator)
    try:
        with threadpool_limits(n_threads, user_api="openmp"):
            if joint:
                fitted = [_fit_to_all(estimator, X, targets, rows)]
            else:
                each = range(targets.n_targets)
                fitted = [_fit_to_one(estimator, X, targets, rows, t) for t in each]
    except Exception as error:
        error.add_note(f"This was raised by the part {name!r} of the stack.")
        raise
    return FittedPart(fitted, joint)


def as_of_whole(part, X, n_rows: int, n_of_fold: int):
    """A network that chooses for some of the rows what it would for all of them.

    Where rows are few, a few less would have other bins, and be worth much less.
    """
    if not isinstance(part, BaseMultiTask):
        return part
    chosen = chosen_for(part, n_rows, X.shape[1])
    if n_of_fold >= MANY_ROWS:  # how many epochs pay shows in training alone
        chosen.pop("epochs", None)
    return clone(part).set_params(**chosen)


def holds_out(part) -> bool:
    """Whether a network holds out rows, and in the end has not learnt from them.

    That is said of many rows: with few it goes on with all of them.
    """
    is_network = isinstance(part, BaseMultiTask)
    return is_network and part.early_stopping and part.validation_fraction == "auto"


def rows_of(X, rows: np.ndarray):
    """These rows, which come in order, and each once: all of them are no copy."""
    return X if len(rows) == len(X) else _safe_indexing(X, rows)


def is_joint(estimator) -> bool:
    """Whether a part is fitted to all targets at once, or else to each on its own."""
    inner = innermost(estimator)
    return takes_holes(estimator) or not get_tags(inner).target_tags.single_output


def takes_holes(estimator) -> bool:
    """Whether a part knows several targets with holes: skmtl's do."""
    inner = innermost(estimator)
    return isinstance(inner, BaseMultiTask) or getattr(inner, "_takes_holes", False)


def _fit_to_all(estimator, X, targets: Targets, rows: np.ndarray):
    rows = rows[targets.counted[rows]]
    own = targets.rows(rows)
    network = takes_holes(estimator)
    if not (network or own.alike):
        raise ValueError(
            f"{type(estimator).__name__} is fitted to all targets at once, but they have "
            "holes, or weights of their own. Give an estimator for one target, of which "
            "the stack fits one for each, or one of skmtl's."
        )
    y = own.with_holes() if network else own.Y
    weight: Any = own.W if network and own.n_targets > 1 else own.W[:, 0]
    weight = weight if own.weighted else None
    return _fit(clone(estimator), rows_of(X, rows), y, weight, own.groups)


def _fit_to_one(estimator, X, targets: Targets, rows: np.ndarray, t: int):
    seen = rows[targets.observed[rows, t]]
    own = targets.rows(seen)
    y: Any = own.of_one(t)
    weight: Any = own.W[:, t]
    model = clone(estimator)
    if targets.classes is not None and len(np.unique(own.Y[:, t])) == 1:
        model = DummyClassifier()  # many classifiers refuse a single class
    weight = weight if (weight != 1).any() else None
    return _fit(model, rows_of(X, seen), y, weight, own.groups)


def _fit(model, X, y, weight, groups):
    """Fit with weights and groups, for the last step of a Pipeline or search, too."""
    inner = innermost(model)
    if weight is not None and not has_fit_parameter(inner, "sample_weight"):
        raise TypeError(
            f"{type(inner).__name__} takes no sample_weight: fit the stack without it, or "
            "leave this part out."
        )
    return model.fit(X, y, **fit_parameters(model, sample_weight=weight, groups=groups))
