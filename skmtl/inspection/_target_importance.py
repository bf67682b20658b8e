"""Which features each target is predicted from."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from .._number_checks import Number
from .._tables.containers import as_table, column_labels, name_of
from .._third_party import HasMethods
from .._types import Axes, RandomState, Targets, validate_params
from ..metrics import target_scorers
from ..metrics._scorers import _training_means
from ._style import axes_for, label, row_font_size

if TYPE_CHECKING:  # not installed everywhere
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MOST_ROWS = 2**15  # predicted at once
MAX_NUMBERS = 12  # targets for which the cells hold numbers


@validate_params(
    {
        "estimator": [HasMethods(["predict"])],
        "X": "no_validation",  # checked by the estimator
        "y": "no_validation",  # likewise
        "metric": [str, None],
        "n_repeats": [Number(Integral, 1, None, closed="left")],
        "sample_weight": "no_validation",
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def target_importance(
    estimator: Any,
    X: ArrayLike,
    y: Targets,
    *,
    metric: str | None = None,
    n_repeats: int = 5,
    sample_weight: ArrayLike | None = None,
    random_state: RandomState = None,
) -> pd.DataFrame:
    """Say how much each target's score falls if a feature is shuffled among the rows.

    As `sklearn.inspection.permutation_importance` (Breiman 2001), for all targets at once,
    by their observed cells: each feature is shuffled once per repeat, whatever the number
    of targets, as it is in X, before any encoding.

    Parameters
    ----------
    estimator : fitted estimator
        A network, a stack, a Pipeline or search that ends in one, or any other with
        several targets.
    X : array-like or DataFrame of shape (n, d)
        Features, raw columns included. Of rows that the fit has not seen, importance is
        for prediction; of others, for what was learnt, noise included.
    y : array-like or DataFrame of shape (n, T), or (n,)
        Targets; missing ones are not observed.
    metric : str, default=None
        Of `skmtl.metrics.target_scorers`. None is "r2", or "neg_log_loss" of classifiers.
    n_repeats : int, default=5
        How often each feature is shuffled.
    sample_weight : array-like of shape (n,) or (n, T), default=None
        How much each row, or each cell, counts in the scores.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling.

    Returns
    -------
    DataFrame
        A row for each feature, in their order. The columns are pairs of a statistic and a
        target: "importance", the mean over the repeats of the score lost, and "std", their
        standard deviation (NaN of one repeat); "mean" stands for the mean over the targets.

    See Also
    --------
    TargetImportanceDisplay : A picture of it.

    Notes
    -----
    Of features that go together, each may seem of no importance, as the others stand in
    for it.

    References
    ----------
    L. Breiman, "Random Forests", Machine Learning 45, 5-32 (2001).

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.inspection import target_importance
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
    >>> found = target_importance(model, X, y, n_repeats=2, random_state=0)
    >>> found["importance"].columns.tolist()
    ['mean', 'heating_load', 'cooling_load']
    >>> len(found) == X.shape[1]
    True
    """
    check_is_fitted(estimator)
    if metric is None:
        metric = "neg_log_loss" if is_classifier(estimator) else "r2"
    scorer = target_scorers(metric=metric)
    X = as_table(X, "X")
    X = X if isinstance(X, pd.DataFrame) else np.array(X)
    check_consistent_length(X, y)
    rng = check_random_state(random_state)
    whole = pd.Series(scorer(estimator, X, y, sample_weight))
    n_rows, n_features = X.shape
    lost = np.empty((n_features, n_repeats, len(whole)))
    shuffles = list(np.ndindex(lost.shape[:2]))
    step = max(1, MOST_ROWS // n_rows)
    for start in range(0, len(shuffles), step):
        part = shuffles[start : start + step]
        orders = [(j, rng.permutation(n_rows)) for j, _ in part]
        predicted = _Predicted(estimator, _shuffled(X, orders))
        for k, place in enumerate(part):
            rows: Any = slice(k * n_rows, (k + 1) * n_rows)
            scores = scorer(predicted, rows, y, sample_weight)
            lost[place] = whole - pd.Series(scores)
    return _table(lost, _names(X), list(whole.index))


class _Predicted:
    """An estimator that predicts slices of a table, all of which it predicts at once."""

    def __init__(self, estimator, X):
        self._estimator, self._X, self._found = estimator, X, None

    def predict(self, rows: slice):
        if self._found is None:
            self._found = self._estimator.predict(self._X)
        return self._found[rows]

    def predict_proba(self, rows: slice):
        if self._found is None:
            self._found = self._estimator.predict_proba(self._X)
        if isinstance(self._found, list):
            return [of_target[rows] for of_target in self._found]
        return self._found[rows]

    @property
    def classes_(self):
        return self._estimator.classes_

    @property
    def target_means_(self):
        return _training_means(self._estimator)


def _shuffled(X, orders: list[tuple[int, np.ndarray]]):
    """Copies of X below each other, each with a column whose cells are in this order."""
    n_rows = len(X)
    in_order = np.tile(np.arange(n_rows), len(orders))
    found = X.take(in_order, axis=0)
    whole: dict[int, np.ndarray] = {}
    for k, (j, order) in enumerate(orders):
        rows = whole.setdefault(j, in_order.copy())
        rows[k * n_rows : (k + 1) * n_rows] = order
    for j, rows in whole.items():
        if isinstance(X, pd.DataFrame):
            found.isetitem(j, X.iloc[:, j].array.take(rows))
        else:
            found[:, j] = X[rows, j]
    return found


def _names(X) -> list[str]:
    labels = column_labels(X)
    return (
        [f"x{j}" for j in range(X.shape[1])] if labels is None else [*map(name_of, labels)]
    )


def _table(lost: np.ndarray, features: list[str], targets: list[str]) -> pd.DataFrame:
    index = pd.Index(features, name="feature")
    parts = {"importance": lost.mean(axis=1), "std": np.full(lost[:, 0].shape, np.nan)}
    if lost.shape[1] > 1:
        parts["std"] = lost.std(axis=1, ddof=1)
    frames = {key: pd.DataFrame(part, index, targets) for key, part in parts.items()}
    return pd.concat(frames, axis=1, names=["statistic", "target"])


class TargetImportanceDisplay:
    """Heat map of how much each target's score falls without each feature.

    Rows are features, the most important for the mean over targets first. A feature whose
    shuffling does no harm, or good, has no colour.

    Parameters
    ----------
    importance : DataFrame of shape (d, T)
        Importance; features are the index, targets the columns.
    std : DataFrame of shape (d, T) or None, default=None
        Standard deviations, which are written beside the numbers.
    score_name : str, default="score"
        What is lost.

    Attributes
    ----------
    order_ : list of str
        Names of the features as they are drawn.
    image_ : matplotlib.image.AxesImage
        The heat map.
    ax_ : matplotlib.axes.Axes
        Axes with the heat map.
    figure_ : matplotlib.figure.Figure
        Figure with the axes.

    See Also
    --------
    target_importance : The numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.inspection import TargetImportanceDisplay
    >>> importance = pd.DataFrame(
    ...     {"flow": [0.1, 0.4], "slump": [0.0, 0.3]}, index=["water", "slag"]
    ... )
    >>> display = TargetImportanceDisplay(importance=importance)
    >>> display.plot().figure_.savefig("importance.png")  # doctest: +SKIP
    """

    order_: list[str]
    image_: AxesImage
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        importance: pd.DataFrame,
        std: pd.DataFrame | None = None,
        score_name: str = "score",
    ) -> None:
        self.importance = importance
        self.std = std
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: Targets,
        *,
        most: int = 20,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the importance of features for a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            As for `target_importance`.
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T), or (n,)
            Targets; missing ones are not observed.
        most : int, default=20
            Features to show.
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.
        **kwargs
            Passed to `target_importance`, such as ``n_repeats``.

        Returns
        -------
        TargetImportanceDisplay

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_slump
        >>> from skmtl.inspection import TargetImportanceDisplay
        >>> X, y = load_slump(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
        >>> display = TargetImportanceDisplay.from_estimator(
        ...     model, X, y, most=3, n_repeats=2, random_state=0
        ... )
        >>> len(display.order_)
        3
        """
        found = target_importance(estimator, X, y, **kwargs)
        metric = kwargs.get("metric")
        if metric is None:
            metric = "neg_log_loss" if is_classifier(estimator) else "r2"
        name = {"r2": "R²"}.get(
            metric, metric.replace("neg_", "negative ").replace("_", " ")
        )
        display = cls(importance=found["importance"], std=found["std"], score_name=name)
        return display.plot(ax=ax, most=most)

    def plot(self, ax: Axes | None = None, *, most: int = 20) -> Self:
        """Draw the heat map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure whose size fits the table.
        most : int, default=20
            Features to show, the most important for the mean over targets.

        Returns
        -------
        TargetImportanceDisplay
            The display itself.

        Examples
        --------
        >>> import pandas as pd
        >>> from skmtl.inspection import TargetImportanceDisplay
        >>> importance = pd.DataFrame({"flow": [0.1, 0.4]}, index=["water", "slag"])
        >>> TargetImportanceDisplay(importance=importance).plot(most=1).order_
        ['slag']
        """
        order = np.argsort(-self.importance.mean(axis=1).fillna(-np.inf), kind="stable")
        shown = self.importance.iloc[order[:most]]
        std = None if self.std is None else self.std.iloc[order[:most]]
        self.order_ = list(map(str, shown.index))
        n_features, n_targets = shown.shape
        cell = 0.75 if n_targets <= MAX_NUMBERS else 0.18
        size = cell * n_targets + 3.2, 0.3 * n_features + 1.6
        ax = axes_for(self, ax, figsize=size)
        Z = shown.to_numpy(dtype=float)
        largest = np.nanmax(Z, initial=0) or 1.0
        self.image_ = ax.imshow(Z, cmap="Blues", vmin=0, vmax=largest, aspect="auto")
        if n_targets <= MAX_NUMBERS:
            self._write_numbers(Z, std, largest)
        names = [label(name, 24) for name in self.order_]
        ax.set_yticks(range(n_features), names, fontsize=row_font_size(ax, n_features))
        slant: dict[str, Any] = {"rotation": 90}
        if n_targets <= MAX_NUMBERS:
            slant = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
        targets = [label(name, 22) for name in shown.columns]
        ax.set_xticks(range(n_targets), targets, fontsize="small", **slant)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        bar = self.figure_.colorbar(self.image_, ax=ax)
        bar.set_label(f"{self.score_name} lost if shuffled")
        bar.outline.set_visible(False)
        return self

    def _write_numbers(self, Z: np.ndarray, std, largest: float) -> None:
        decimals = max(0, int(np.ceil(1 - np.log10(largest))))
        for (row, column), z in np.ndenumerate(Z):
            if np.isnan(z):
                continue
            spread = np.nan if std is None else std.iat[row, column]
            error = "" if np.isnan(spread) else f"±{spread:.{decimals}f}"
            self.ax_.text(
                column,
                row,
                f"{z:.{decimals}f}{error}",
                ha="center",
                va="center",
                fontsize="x-small",
                color="white" if z > 0.6 * largest else "black",
            )
