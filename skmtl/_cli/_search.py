"""Cross-validation of every sharing depth, with scikit-learn's GridSearchCV."""

from __future__ import annotations

import dataclasses
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import parallel_config
from sklearn.compose import make_column_transformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from tqdm import tqdm

from .._estimator import MultiTaskRegressor
from ..metrics import r2_score
from . import InputError

MAX_CATEGORIES = 100  # columns that one text feature may become


@dataclass(frozen=True)
class DepthSearch:
    """Scores of the depths 0, 1, ..., L."""

    r2: np.ndarray  # (L + 1, folds, T)
    seconds: np.ndarray  # (L + 1,) to fit all folds
    n_weights: list[int]
    best_depth: int
    model: Pipeline  # of the best depth, fitted to all rows
    warnings: list[str]  # each text once

    @property
    def mean_r2(self) -> np.ndarray:
        """Mean over targets, (L + 1, folds)."""
        return self.r2.mean(axis=2)


def search_depths(
    X: pd.DataFrame,
    Y: pd.DataFrame,
    network: MultiTaskRegressor,
    splits: Sequence[tuple],
    n_jobs: int = 1,
) -> DepthSearch:
    """Cross-validate the network at every sharing depth and refit the best."""
    n_depths = len(network.trunk_sizes) + len(network.head_sizes) + 1
    n_fits = n_depths * len(splits) + 1  # the best once more, on all rows
    with (
        warnings.catch_warnings(record=True) as caught,
        tqdm(total=n_fits, unit="fit", leave=False, file=sys.stderr) as progress,
        # Threads share the compiled programs; a process would import TensorFlow anew.
        parallel_config(backend="threading"),
    ):
        warnings.simplefilter("always")
        # TensorFlow's import takes seconds, which are not the first depth's.
        from .. import _training  # noqa: F401

        search = GridSearchCV(
            make_pipeline(feature_encoder(X), network),
            {"multitaskregressor__sharing_depth": range(n_depths)},
            scoring=_targets_r2(when_scored=progress.update),
            refit="mean",
            cv=splits,
            n_jobs=n_jobs,
            error_score="raise",
        )
        try:
            search.fit(X, Y)
        except ValueError as error:  # the estimator's own words, such as a divergence
            raise InputError(str(error)) from error
        progress.update()  # the last fit, to all rows, is not scored
    return _result(search, n_targets=Y.shape[1], n_folds=len(splits), caught=caught)


def feature_encoder(X: pd.DataFrame):
    """Numbers with the median for missing ones and a flag for it; text one-hot encoded.

    Which flags and categories there are is read off the whole table. So all folds have
    the same columns, and one compiled program serves them all.
    """
    numeric = X.select_dtypes("number").columns
    nominal = X.columns.drop(numeric)
    with_missing = numeric[X[numeric].isna().any()]
    return make_column_transformer(
        (SimpleImputer(strategy="median", keep_empty_features=True), list(numeric)),
        (MissingIndicator(features="all"), list(with_missing)),
        (
            make_pipeline(
                FunctionTransformer(as_text, feature_names_out="one-to-one"),
                OneHotEncoder(
                    categories=[_categories(X[name]) for name in nominal],
                    max_categories=MAX_CATEGORIES,
                    handle_unknown="ignore",
                    sparse_output=False,
                ),
            ),
            list(nominal),
        ),
    )


def as_text(X: pd.DataFrame) -> pd.DataFrame:
    """Text columns as such: in a new file, one may hold only digits, or nothing at all."""
    return X.apply(lambda column: column.map(str, na_action="ignore").astype(object))


def _categories(column: pd.Series) -> list:
    """The values of a column, and NaN last if there are missing ones."""
    values = sorted(as_text(column.dropna().to_frame())[column.name].unique())
    return [*values, np.nan] if column.isna().any() else values


def _targets_r2(when_scored: Callable[[], object]) -> Callable:
    """A scorer with R2 of every target and their mean, that reports when it was called.

    Each fit is scored once, after it is done, in the thread that did it.
    """
    lock = threading.Lock()

    def score(model, X, Y) -> dict[str, float]:
        r2 = r2_score(Y, model.predict(X), multioutput="raw_values")
        with lock:
            when_scored()
        return {"mean": r2.mean(), **{str(t): value for t, value in enumerate(r2)}}

    return score


def _result(search: GridSearchCV, n_targets: int, n_folds: int, caught) -> DepthSearch:
    table = search.cv_results_
    r2 = [
        [table[f"split{fold}_test_{t}"] for t in range(n_targets)]
        for fold in range(n_folds)
    ]
    architecture = search.best_estimator_[-1]._network.architecture
    depths = range(len(table["params"]))
    return DepthSearch(
        r2=np.moveaxis(r2, -1, 0),
        seconds=table["mean_fit_time"] * n_folds,
        n_weights=[
            dataclasses.replace(architecture, sharing_depth=depth).n_weights
            for depth in depths
        ],
        best_depth=search.best_index_,
        model=search.best_estimator_,
        warnings=list(dict.fromkeys(str(warning.message) for warning in caught)),
    )
