"""Groups of targets, from their affinities."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from skmtl.model_selection import suggest_groups, task_affinity
from tests._asserts import raises_naming
from tests._inputs import TARGETS, as_frames, make_table, small


def table(Z) -> pd.DataFrame:
    names = [f"target {t}" for t in range(len(Z))]
    return pd.DataFrame(Z, names, names)


def planted(sizes, seed=0, scale=1.0):
    """Affinities of groups whose members help each other, in mixed order; the groups."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    same = group[:, None] == group
    Z = table(scale * (np.where(same, 1, -0.5) + rng.normal(scale=0.2, size=same.shape)))
    groups = {frozenset(Z.columns[group == g]) for g in range(len(sizes))}
    return Z, groups


def partitions(items, n_groups):
    """All ways to put the items into so many groups, none of them empty."""
    if not items:
        if n_groups == 0:
            yield []
        return
    first, *rest = items
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            left = [item for item in rest if item not in others]
            for groups in partitions(left, n_groups - 1):
                yield [[first, *others], *groups]


def total(Z: pd.DataFrame, groups) -> float:
    """The affinity onto each target in its group: what is to be as high as can be."""
    return sum(
        Z.loc[[i for i in group if i != j], j].mean()
        for group in groups
        for j in group
        if len(group) > 1
    )


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
@pytest.mark.parametrize("sizes", [(2, 1), (3, 3, 2), (6, 4), (10, 8, 2), (20, 10, 5, 5)])
def test_planted_groups_are_found(sizes, scale):
    Z, groups = planted(sizes, scale=scale)

    assert {frozenset(group) for group in suggest_groups(Z, len(sizes))} == groups


def test_no_other_groups_of_few_targets_are_better():
    rng = np.random.default_rng(1)
    for n_groups in (1, 2, 3, 5, 6):
        Z = table(rng.normal(size=(6, 6)))
        best = max(total(Z, groups) for groups in partitions(list(Z.columns), n_groups))
        assert total(Z, suggest_groups(Z, n_groups)) == pytest.approx(best)


@pytest.mark.parametrize("n_targets", [1, 5, 10, 11, 30])
def test_every_target_once_in_the_order_of_the_table(n_targets):
    Z = table(np.random.default_rng(2).normal(size=(n_targets, n_targets)))
    names = list(Z.columns)
    for n_groups in {1, (n_targets + 1) // 2, n_targets}:
        groups = suggest_groups(Z, n_groups)

        assert len(groups) == n_groups
        assert sorted(name for group in groups for name in group) == sorted(names)
        assert all(groups)
        assert all(group == sorted(group, key=names.index) for group in groups)
        firsts = [names.index(group[0]) for group in groups]
        assert firsts == sorted(firsts)
    assert suggest_groups(Z, 1) == [names]
    assert suggest_groups(Z, n_targets) == [[name] for name in names]


def test_what_a_target_does_for_itself_plays_no_part():
    Z, _ = planted((3, 2))
    own = Z + np.diag(np.arange(5) * 100.0)

    assert suggest_groups(own, 2) == suggest_groups(Z, 2)


@pytest.mark.parametrize("n_targets", [6, 14])
def test_unknown_affinities_count_as_0(n_targets):
    Z, _ = planted((n_targets // 2, n_targets // 2))
    Z.iloc[0, 1] = Z.iloc[3, 2] = Z.iloc[4, 4] = np.nan

    assert suggest_groups(Z, 2) == suggest_groups(Z.fillna(0), 2)
    assert suggest_groups(Z * np.nan, n_targets) == [[name] for name in Z]


def test_from_a_fitted_network():
    X, Y = as_frames(*make_table())
    groups = suggest_groups(task_affinity(small().fit(X, Y), X, Y), 2)

    assert len(groups) == 2
    assert {name for group in groups for name in group} == set(TARGETS)


def test_errors_name_the_parameter():
    Z = table(np.eye(3))
    with raises_naming("affinity", "rows", "columns"):
        suggest_groups(Z.rename(index={"target 0": "other"}), 2)
    with raises_naming("affinity", "rows", "columns"):
        suggest_groups(Z.iloc[:2], 2)
    with raises_naming("affinity", "same name"):
        suggest_groups(pd.DataFrame(np.eye(2), ["a", "a"], ["a", "a"]), 2)
    with raises_naming("affinity", "infinity"):
        suggest_groups(Z * np.inf, 2)
    with raises_naming("n_groups=4", "3"):
        suggest_groups(Z, 4)
    for wrong in (0, 1.5, "2"):
        with raises_naming("n_groups"):
            suggest_groups(Z, wrong)
    with raises_naming("affinity"):
        suggest_groups(np.eye(3), 2)
