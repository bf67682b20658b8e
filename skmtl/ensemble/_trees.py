"""Trees and linear models for raw tables: text, categories, missing numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

MOST_LEVELS = 254  # that scikit-learn's boosted trees take of a category
MOST_INDICATORS = 30  # of a category, for trees and lines that see it as indicators
N_TREES = 200
FAR = 9.0  # standard deviations, as of a network's linear path
N_ROUNDS, MOST_ROUNDS = 100, 1000  # of boosting, the latter where it stops early


def boosted_trees(classify: bool, stop_early: bool) -> Pipeline:
    """Histogram-based gradient boosting, which knows categories and missing numbers."""
    kind = HistGradientBoostingRegressor
    if classify:
        kind = StoppedClassifier if stop_early else HistGradientBoostingClassifier
    n_rounds = MOST_ROUNDS if stop_early else N_ROUNDS
    model = kind(
        categorical_features="from_dtype", early_stopping=stop_early, max_iter=n_rounds
    )
    return make_pipeline(TableEncoder(), model)


class StoppedClassifier(HistGradientBoostingClassifier):
    """Boosted trees that stop early where they can.

    It takes two rows of every class, and as many rows to hold out as there are classes.
    """

    def fit(self, X, y, sample_weight=None):
        counts = np.unique(y, return_counts=True)[1]
        if counts.min() > 1 and len(counts) <= self.validation_fraction * len(y):
            return super().fit(X, y, sample_weight)
        given = {"early_stopping": self.early_stopping, "max_iter": self.max_iter}
        self.set_params(early_stopping=False, max_iter=N_ROUNDS)
        try:
            return super().fit(X, y, sample_weight)
        finally:
            self.set_params(**given)


def extra_trees(classify: bool, joint: bool = False) -> Pipeline:
    """Extremely randomised trees, which see categories as indicators."""
    kind = ExtraTreesClassifier if classify else ExtraTreesRegressor
    kind = JointExtraTrees if joint else kind
    return make_pipeline(TableEncoder(), _as_numbers(), kind(N_TREES))


class JointExtraTrees(ExtraTreesRegressor):
    """Extremely randomised trees for all T targets, in a T-th of the time and memory."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = False
        return tags


def linear(classify: bool) -> Pipeline:
    """Ridge regression, its penalty chosen by the rows left out, or logistic regression.

    Features are cut off far from the mean: a line goes on for ever.
    """
    model: Any = RidgeCV(np.logspace(-3, 4, 15))
    if classify:
        model = LogisticRegression(max_iter=1000)
    cut_off = FunctionTransformer(np.clip, kw_args={"a_min": -FAR, "a_max": FAR})
    return make_pipeline(TableEncoder(), _as_numbers(), StandardScaler(), cut_off, model)


class TableEncoder(TransformerMixin, BaseEstimator):
    """Text and categories as codes of the type category, everything else as numbers.

    Levels that are too many are one together, those that `fit` has not seen are missing.
    Arrays of numbers stay as they are.
    """

    def fit(self, X, y=None):
        self.n_features_in_ = np.shape(X)[1]
        self.levels_ = {}
        if not _is_of_numbers(X):
            frame = _as_frame(X)
            for j in range(frame.shape[1]):
                if not _is_measured(frame.iloc[:, j]):
                    counts = _values(frame.iloc[:, j]).value_counts()
                    self.levels_[j] = counts.index
        return self

    def transform(self, X):
        if _is_of_numbers(X) and not self.levels_:
            return X
        frame = _as_frame(X)
        columns = {}
        for j in range(frame.shape[1]):
            column = frame.iloc[:, j]
            levels = self.levels_.get(j)
            columns[j] = _numbers(column) if levels is None else _codes(column, levels)
        return pd.DataFrame(columns)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


def _as_numbers() -> ColumnTransformer:
    """Indicators of levels, and numbers with their missing values imputed and flagged."""
    indicators = OneHotEncoder(
        max_categories=MOST_INDICATORS,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    )
    imputed = SimpleImputer(add_indicator=True, keep_empty_features=True)
    return ColumnTransformer([("levels", indicators, categories_of)], remainder=imputed)


def categories_of(X) -> list[int]:
    """Positions of the columns of the type category."""
    dtypes = X.dtypes if isinstance(X, pd.DataFrame) else []
    return [j for j, own in enumerate(dtypes) if isinstance(own, pd.CategoricalDtype)]


def is_measured(X) -> bool:
    """Whether no column of a table holds categories or text."""
    if _is_of_numbers(X):
        return True
    return all(_is_measured(column) for _, column in _as_frame(X).items())


def _is_of_numbers(X) -> bool:
    return isinstance(X, np.ndarray) and X.dtype.kind in "fiub"


def _as_frame(X) -> pd.DataFrame:
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X).infer_objects()


def _is_measured(column: pd.Series) -> bool:
    """Whether a column holds numbers, bools, dates or durations, which have an order."""
    if column.dtype == object:
        column = column.infer_objects()
    return is_numeric_dtype(column.dtype) or column.dtype.kind in "mM"


def _values(column: pd.Series) -> pd.Series:
    """The cells themselves, whatever type of column holds them; None where missing."""
    values = column.astype(object)
    return values.where(values.notna(), None)


def _numbers(column: pd.Series) -> np.ndarray:
    if column.dtype.kind in "mM":  # in days
        missing = column.isna()
        start = pd.Timestamp(0, tz=getattr(column.dtype, "tz", None))
        days = (column - start if column.dtype.kind == "M" else column) / pd.Timedelta("1D")
        return np.where(missing, np.nan, days)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _codes(column: pd.Series, levels: pd.Index) -> pd.Categorical:
    """The positions of cells among the levels, the last of which stands for rare ones."""
    n_levels = min(len(levels), MOST_LEVELS)
    codes = levels.get_indexer(pd.Index(_values(column), dtype=object))
    return pd.Categorical.from_codes(
        np.minimum(codes, n_levels - 1), categories=range(n_levels)
    )
