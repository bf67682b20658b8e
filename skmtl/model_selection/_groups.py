"""Which targets should share a network with which."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp
from sklearn.cluster import AgglomerativeClustering

from .._messages import listed
from .._number_checks import Number
from .._types import validate_params

MOST_EXACT = 10  # tasks: 1023 groups to choose from


@validate_params(
    {
        "affinity": [pd.DataFrame],
        "n_groups": [Number(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def suggest_groups(affinity: pd.DataFrame, n_groups: int) -> list[list[str]]:
    """Groups of targets that help each other most, from their affinities.

    Each target goes into one group. What the others in its group do for target j is the
    mean of their affinities to it, and the groups are those with the highest sum (Fifty
    et al. 2021)::

        sum over j of  mean over i != j in the group of j of  Z_ij

    where a target that is alone in its group counts as 0: nobody helps it or hurts it.

    Parameters
    ----------
    affinity : DataFrame of shape (T, T)
        What a step on the target of the row does for the target of the column, as
        `task_affinity` returns it, or the mean of several such tables. The diagonal plays
        no part. NaN counts as 0.
    n_groups : int
        How many groups to make, from 1 to T.

    Returns
    -------
    list of n_groups lists of str
        Names of the targets of each group, in the order of the table.

    Raises
    ------
    ValueError
        If the rows and columns of `affinity` do not have the same names, if a name occurs
        twice, if an affinity is infinite, or if there are fewer targets than groups.

    Notes
    -----
    Up to 10 targets, the groups are the best there are (an integer program chooses among
    all possible groups). Beyond, they are made by hierarchical clustering with average
    linkage, of the affinities averaged over both directions: good groups, if not the best.

    Affinities tell what one small step does, not what training together does in the end:
    compare the groups with one trunk for all, and with separate networks, by
    cross-validation.

    See Also
    --------
    task_affinity : The affinities.

    References
    ----------
    C. Fifty, E. Amid, Z. Zhao, T. Yu, R. Anil and C. Finn, "Efficiently Identifying Task
    Groupings for Multi-Task Learning", NeurIPS (2021).

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.model_selection import suggest_groups
    >>> names = ["flow", "slump", "strength"]
    >>> affinity = pd.DataFrame(
    ...     [[0.03, 0.02, -0.01], [0.02, 0.04, 0.0], [-0.02, 0.0, 0.05]], names, names
    ... )
    >>> suggest_groups(affinity, 2)
    [['flow', 'slump'], ['strength']]
    """
    names = _check_names(affinity)
    if n_groups > len(names):
        raise ValueError(
            f"n_groups={n_groups}, but affinity has {listed('target', names)}: give each "
            f"group at least one, n_groups={len(names)} or fewer."
        )
    Z = affinity.to_numpy(dtype=float)
    if np.isinf(Z).any():
        raise ValueError("affinity holds infinity: expected shares of a loss, or NaN.")
    Z = np.nan_to_num(Z)
    np.fill_diagonal(Z, 0.0)
    both_ways = Z + Z.T
    grouped = _best_groups if len(names) <= MOST_EXACT else _clusters
    groups = grouped(both_ways, n_groups)
    return [[names[t] for t in group] for group in sorted(groups)]


def _check_names(affinity: pd.DataFrame) -> list:
    names = list(affinity.columns)
    if list(affinity.index) != names:
        raise ValueError(
            "affinity must have the same targets in its rows and columns, as task_affinity "
            f"returns it; got the rows {list(affinity.index)} and the columns {names}."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"affinity has several targets of the same name: {names}.")
    return names


def _best_groups(both_ways: np.ndarray, n_groups: int) -> list[list[int]]:
    """Of all possible groups, those that hold each task once, with the highest sum."""
    n_tasks = len(both_ways)
    codes = np.arange(1, 2**n_tasks)
    holds = (codes[:, None] >> np.arange(n_tasks) & 1).astype(float)  # (groups, tasks)
    within = np.einsum("gi,ij,gj->g", holds, both_ways, holds) / 2
    worth = within / np.maximum(holds.sum(axis=1) - 1, 1)
    once_each = LinearConstraint(holds.T, 1, 1)
    so_many = LinearConstraint(np.ones((1, len(codes))), n_groups, n_groups)
    chosen = milp(
        -worth / max(np.abs(worth).max(), 1e-300),  # of order 1, whatever the step
        integrality=np.ones(len(codes)),
        bounds=Bounds(0, 1),
        constraints=[once_each, so_many],
    ).x
    return [np.flatnonzero(holds[g]).tolist() for g in np.flatnonzero(chosen > 0.5)]


def _clusters(both_ways: np.ndarray, n_groups: int) -> list[list[int]]:
    clustering = AgglomerativeClustering(
        n_groups, metric="precomputed", linkage="average"
    ).fit(both_ways.max() - both_ways)
    return [np.flatnonzero(clustering.labels_ == g).tolist() for g in range(n_groups)]
