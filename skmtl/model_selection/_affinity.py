"""Which tasks help each other through the layers that they share."""

from __future__ import annotations

import dataclasses
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._estimators.automatic import course_of
from .._estimators.base import BaseMultiTask
from .._estimators.classifier import MultiTaskClassifier
from .._estimators.networks_of import members_of
from .._estimators.reading import read_table
from .._estimators.regressor import MultiTaskRegressor
from .._network.network import Network
from .._number_checks import Number
from .._tables.table import Table
from .._types import Targets, validate_params


@validate_params(
    {
        "estimator": [MultiTaskRegressor, MultiTaskClassifier, Pipeline],
        "X": "no_validation",  # checked with the estimator's own checks
        "y": "no_validation",  # likewise
        "sample_weight": "no_validation",  # likewise
        "learning_rate": [None, Number(Real, 0, None, closed="neither")],
        "batch_size": [None, Number(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def task_affinity(
    estimator: MultiTaskRegressor | MultiTaskClassifier | Pipeline,
    X: ArrayLike,
    y: Targets,
    *,
    sample_weight: ArrayLike | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """How much a step on one task's loss helps or hurts every other task.

    For a pair of tasks, the affinity of i to j is the share of task j's loss that goes
    away when the shared weights take a gradient step on task i's loss (Fifty et al.
    2021)::

        Z_ij = 1 - L_j(theta - eta grad L_i(theta)) / L_j(theta)

    with the shared weights theta, the learning rate eta, and the mean losses L of the
    observed cells of one batch. The heads stay as they are. Z_ij > 0: what i learns is
    of use to j; Z_ij < 0: the two pull the shared layers in opposite directions.

    Parameters
    ----------
    estimator : fitted MultiTaskRegressor or MultiTaskClassifier, or Pipeline that ends \
            in one
        With at least one shared layer. It is not changed.
    X : array-like or DataFrame of shape (n, d)
        Features, as for `fit`.
    y : array-like or DataFrame of shape (n, T), or (n,)
        Targets, as for `fit`; NaN leaves a cell out.
    sample_weight : array-like of shape (n,) or (n, T), default=None
        How much each row, or each cell, counts; not negative.
    learning_rate : float, default=None
        Length of the step per unit of gradient. None is that of the estimator (of its
        first step if the rate follows a schedule).
    batch_size : int, default=None
        Rows per step. None is that of the estimator.

    Returns
    -------
    DataFrame of shape (T, T)
        Affinities, with the names of the targets; index ``step_on``: the task i whose
        loss takes the step, columns ``changes``: the task j whose loss changes. They are
        shares of a loss: 0.01 is one percent less. NaN where no batch has observed cells
        of both tasks.

    Raises
    ------
    TypeError
        If `estimator` is, or ends in, anything else.
    ValueError
        If no layer is shared, if there are several trunks, if the data is not usable, or
        if the step is so large that a loss is not finite afterwards.

    Notes
    -----
    - The step is a plain gradient step, whatever the optimizer, and is undone before the
      next. While it is small the affinities are proportional to the learning rate: compare
      them within one table, or set the same `learning_rate` for all.
    - The rows are put into batches at random, alike in every call. Over the batches that
      observe task i, Z_ij is one minus the sum of task j's losses after the step over
      their sum before: the mean of the batches' own affinities, weighted by task j's loss.
      Their plain mean agrees where every batch has many observed cells, but a target with
      one or two has batches with a loss near 0, which would decide it.
    - Losses are those of the estimator, in the units it is trained in. Its loss weights,
      weight decay and dropout play no part.
    - Shared weights are the trunk and, with ``share_output=True``, the output layer.
    - It is a picture of the weights as they are. Near the end of training the gradients
      are mostly noise, and the groups among the tasks hard to see; Fifty et al. average
      over the course of training. For that, call this function between calls of
      ``partial_fit``, and take the mean of the tables.

    References
    ----------
    C. Fifty, E. Amid, Z. Zhao, T. Yu, R. Anil and C. Finn, "Efficiently Identifying Task
    Groupings for Multi-Task Learning", NeurIPS (2021).

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.model_selection import task_affinity
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
    >>> affinity = task_affinity(model, X, y)
    >>> bool(affinity.loc["heating_load", "cooling_load"] > 0)
    True
    """
    estimator, X = _last_step(estimator, X)
    check_is_fitted(estimator)
    # With resume, the table is checked against the fit and nothing is set.
    table = read_table(estimator, X, y, sample_weight, resume=True)
    if learning_rate is None:
        optimizer = estimator.optimizer
        named = isinstance(optimizer, str)
        own = course_of(estimator, n_rows=0).learning_rate
        learning_rate = float(own if named else optimizer.learning_rate)
    from .._training import rows_per_step  # takes in TensorFlow

    batch_size = rows_per_step(batch_size or estimator.batch_size, len(table.X))
    losses = estimator._fitted_losses
    of_members = [
        _of_network(member, losses, table, learning_rate, batch_size)
        for member in members_of(estimator)
    ]
    affinity = np.mean(of_members, axis=0)
    names = estimator.target_names_
    return pd.DataFrame(
        affinity,
        index=pd.Index(names, name="step_on"),
        columns=pd.Index(names, name="changes"),
    )


def _last_step(estimator, X) -> tuple[Any, Any]:
    """The network's estimator, and the features as it gets them."""
    if isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator[-1]
    if not isinstance(estimator, BaseMultiTask):
        raise TypeError(
            "estimator must be a fitted MultiTaskRegressor or MultiTaskClassifier, or a "
            f"Pipeline that ends in one, got a Pipeline that ends in {estimator!r}."
        )
    return estimator, X


def _of_network(
    network: Network, losses, table: Table, learning_rate: float, batch_size: int
) -> np.ndarray:
    """Affinities (T, T) in one network."""
    if network.architecture.separate:
        raise ValueError(
            "There is no shared layer: with sharing_depth=0 the tasks are separate "
            "networks, and a step on one changes no other. Fit with sharing_depth of at "
            "least 1."
        )
    if network.architecture.n_trunks > 1:
        raise ValueError(
            "Affinity is what tasks do to each other through one trunk, but there are "
            f"{network.architecture.n_trunks}. Fit with n_experts=1, n_task_experts=0 and "
            "target_groups=None."
        )
    from .._training.affinity import affinity
    from .._training.spec import Rows

    network = dataclasses.replace(network, features=network.features.for_rows(table.X))
    rows = Rows(*network.encode(table.X, table.Y, table.W))
    return affinity(network, losses, rows, learning_rate, batch_size)
