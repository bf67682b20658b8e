"""Folds that are alike in every target: its classes, its numbers and its holes."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from .._number_checks import Number
from .._types import RandomState, Targets, validate_params
from ._strata import strata_of_rows
from ._stratification import folds_of_units


class MultiTargetStratifiedKFold(BaseCrossValidator):
    """Folds that are alike in all targets, whether labels or numbers, and in their holes.

    With one target, scikit-learn's ``StratifiedKFold`` gives every fold its share of each
    class. This does so for several targets at once, by iterative stratification (Sechidis
    et al. 2011). The strata of each target are

    - its classes: of text, bools and categories; of whole numbers that occur `n_splits`
      times each on average; of numbers that have `n_bins` values or fewer;
    - else `n_bins` bins with equally many of its numbers each, fewer in small tables;
    - its holes (NaN, None, pd.NA), and, if there are some, all that is not one.

    The rarest stratum is shared out first. Each of its rows goes to the fold that lacks
    most of this stratum; of several such folds, to the one that lacks most rows.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds K; at least 2.

    n_bins : int, default=10
        Bins of numbers. No bin has fewer than `n_splits` values, ties apart.

    shuffle : bool, default=True
        Take rows in random order, and break ties at random. If False, rows are taken as
        they come: the same table always has the same folds.

    random_state : int, RandomState instance or None, default=None
        An int gives the same folds in each call. Only with ``shuffle=True``.

    Notes
    -----
    What is promised:

    - Each row is tested once. Without `groups`, the sizes of folds differ by one row at
      most. With `groups`, all rows of a group are tested together, and sizes are only near
      to each other.
    - With one target, a class of K or more rows is in every fold, a rarer one of m rows in
      m of them. A target with two or more observed rows is observed in every training part.
    - With several targets there may be no such folds, as where of three rows any two must
      be apart in two folds. Else strata are in as many folds as exchanges of two rows can
      bring them to: in our trials, in all that is possible.
    - Every stratum is near its share of each fold. How near depends on how targets go
      together. In 40 trials with four targets and 300 rows, the observed cells of each
      target were within 1 of their share.

    The algorithm of Sechidis et al. alone does not promise equal sizes, nor that no fold
    lacks a stratum (in these trials, sizes differed by up to 8 rows, and observed cells
    were up to 7 off). So it is followed by moves and exchanges of rows that leave counts
    more even. 100 000 rows of 5 targets take about 2 seconds.

    Folds that are made by looking at the targets are no independent draws of rows. That
    makes scores of folds vary less, which is what they are for.

    References
    ----------
    K. Sechidis, G. Tsoumakas and I. Vlahavas, "On the Stratification of Multi-Label Data",
    ECML PKDD (2011).

    See Also
    --------
    sklearn.model_selection.StratifiedKFold : One target of classes.
    sklearn.model_selection.StratifiedGroupKFold : The same with groups.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skmtl.model_selection import MultiTargetStratifiedKFold
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 3))
    >>> y = pd.DataFrame({"price": X[:, 0], "sold": X[:, 1] > 0}, dtype=object)
    >>> y.loc[X[:, 2] > np.sort(X[:, 2])[-11], "sold"] = None
    >>> folds = MultiTargetStratifiedKFold(5, random_state=0)
    >>> [int(y["sold"].iloc[test].isna().sum()) for _, test in folds.split(X, y)]
    [2, 2, 2, 2, 2]
    """

    # For metadata routing: groups go to `split` if they are given, as with GroupKFold.
    __metadata_request__split = {"groups": True}  # noqa: RUF012

    @validate_params(
        {
            "self": "no_validation",
            "n_splits": [Number(Integral, 2, None, closed="left")],
            "n_bins": [Number(Integral, 1, None, closed="left")],
            "shuffle": ["boolean"],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self,
        n_splits: int = 5,
        *,
        n_bins: int = 10,
        shuffle: bool = True,
        random_state: RandomState = None,
    ):
        if not shuffle and random_state is not None:
            raise ValueError(
                f"random_state={random_state!r} does nothing with shuffle=False: leave it "
                "out, or set shuffle=True."
            )
        self.n_splits = n_splits
        self.n_bins = n_bins
        self.shuffle = shuffle
        self.random_state = random_state

    def split(
        self, X: ArrayLike, y: Targets | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """The rows to train on and to test on, fold by fold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Only its number of rows matters.
        y : array-like or DataFrame of shape (n, T), or (n,)
            Targets, of any kinds, with holes.
        groups : array-like of shape (n,), default=None
            Rows of one group are never on both sides.

        Yields
        ------
        train, test : ndarray of int
            Numbers of rows, in rising order.

        Raises
        ------
        ValueError
            If y is None, or if there are fewer rows, or groups, than folds.

        Examples
        --------
        >>> from skmtl.model_selection import MultiTargetStratifiedKFold
        >>> y = [["a", 0], ["a", 1], ["b", 0], ["b", 1]]
        >>> for train, test in MultiTargetStratifiedKFold(2, shuffle=False).split(y, y):
        ...     print(train, test)
        [1 2] [0 3]
        [0 3] [1 2]
        """
        return super().split(X, y, groups)

    def get_n_splits(
        self,
        X: ArrayLike | None = None,
        y: Targets | None = None,
        groups: ArrayLike | None = None,
    ) -> int:
        """The number of folds.

        Parameters
        ----------
        X, y, groups : object
            Not used, there for scikit-learn's other tools.

        Returns
        -------
        int
            `n_splits`.

        Examples
        --------
        >>> from skmtl.model_selection import MultiTargetStratifiedKFold
        >>> MultiTargetStratifiedKFold(3).get_n_splits()
        3
        """
        return self.n_splits

    def _iter_test_indices(self, X=None, y=None, groups=None):
        if y is None:
            raise ValueError(
                "MultiTargetStratifiedKFold stratifies by the targets, but y is None: give "
                "split(X, y), or take KFold(shuffle=True)."
            )
        units = strata_of_rows(y, self.n_bins, self.n_splits)
        unit_of_row = np.arange(units.shape[0])
        if groups is not None:
            unit_of_row, units = _grouped(groups, units)
        self._check_enough(units.shape[0], "rows" if groups is None else "groups")
        rng = check_random_state(self.random_state) if self.shuffle else None
        fold = folds_of_units(units, self.n_splits, rng)[unit_of_row]
        for k in range(self.n_splits):
            yield np.flatnonzero(fold == k)

    def _check_enough(self, n_units: int, noun: str) -> None:
        if n_units < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} folds need as many {noun}, but there are "
                f"{n_units}: set n_splits to that or less."
            )


def _grouped(groups, rows: csr_array) -> tuple[NDArray[Any], csr_array]:
    """The number of each row's group, and how many rows groups have in each stratum."""
    numbers, names = pd.factorize(np.asarray(groups))
    if (numbers < 0).any():
        raise ValueError(
            f"groups has {(numbers < 0).sum()} missing values: give each row a group, such "
            "as one of its own."
        )
    of_groups = (np.ones(len(numbers), dtype=np.int64), (numbers, np.arange(len(numbers))))
    members = csr_array(of_groups, shape=(len(names), len(numbers)))
    return numbers, csr_array(members @ rows)
