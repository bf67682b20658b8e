"""Cross-validation of every sharing depth, with progress and warnings in order."""

from __future__ import annotations

import dataclasses
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from joblib import parallel_config
from sklearn.base import is_classifier
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tqdm import tqdm

from .._estimators.base import BaseMultiTask
from .._estimators.networks_of import members_of
from .._types import Splitter
from ..metrics import TargetScorer
from ..model_selection import SharingDepthSearchCV
from . import InputError
from .table import Table


@dataclass(frozen=True)
class DepthSearch:
    """A fitted search over the depths 0, 1, ..., L."""

    fitted: SharingDepthSearchCV
    n_weights: list[int]  # by depth, of all members
    warnings: list[str]  # each text once


def search_depths(
    table: Table,
    network: BaseMultiTask,
    folds: Splitter,
    n_jobs: int = 1,
    watch: Callable[..., object] | None = None,
    max_seconds: float | None = None,
) -> DepthSearch:
    """Cross-validate the network at every sharing depth and refit the best.

    Each fitted model is shown to ``watch``, with the rows that it has not seen. Fits that
    would take too long end in time if there are ``max_seconds`` for all.
    """
    n_depths = len(network.trunk_sizes) + len(network.head_sizes) + 1
    n_fits = n_depths * folds.get_n_splits() + 1  # the best once more, on all rows
    with (
        warnings.catch_warnings(record=True) as caught,
        tqdm(
            total=n_fits, desc="starting", unit="fit", leave=False, file=sys.stderr
        ) as progress,
        # Threads share the compiled programs; a process would import TensorFlow anew.
        parallel_config(backend="threading"),
    ):
        warnings.simplefilter("always")
        # TensorFlow's import takes seconds, which are not the first depth's.
        from .. import _training  # noqa: F401

        # Said at once: the first fit of every depth compiles, and the bar stands still.
        progress.set_description("compiling and fitting")
        search = SharingDepthSearchCV(
            make_pipeline(columns_of(table.X), network),
            cv=folds,
            scoring=_CountingScorer(
                metric="neg_log_loss" if is_classifier(network) else "r2",
                when_scored=_one_at_a_time(progress.update),
                watch=watch,
            ),
            n_jobs=n_jobs,
            error_score="raise",
            max_seconds=max_seconds,
        )
        try:
            grouped = {} if table.groups is None else {"groups": table.groups}
            search.fit(table.X, table.Y, **grouped)
        except ValueError as error:  # the estimator's own words, such as a divergence
            raise InputError(str(error)) from error
        progress.update()  # the last fit, to all rows, is not scored
    texts = [str(warning.message) for warning in caught]
    ended = [text for text in texts if "max_seconds" in text]
    texts = list(dict.fromkeys(text for text in texts if text not in ended))
    if ended:
        texts.append(
            f"--max-seconds ended {len(ended)} of {n_fits} fits, of which the best network "
            "so far was kept; more time may change the result"
        )
    return DepthSearch(search, _n_weights(search), texts)


def columns_of(X: pd.DataFrame):
    """The step that takes the columns of this table out of any other, text as such."""
    texts = list(X.select_dtypes(exclude="number"))
    step: Any = "passthrough"
    if texts:
        step = FunctionTransformer(
            with_texts, kw_args={"names": texts}, feature_names_out="one-to-one"
        )
    step = make_column_transformer(
        (step, list(X)), remainder="drop", verbose_feature_names_out=False
    )
    return step.set_output(transform="pandas")


def with_texts(X: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Columns of text as such: in a new file, one may hold only digits, or nothing."""
    return X.assign(
        **{name: X[name].map(str, na_action="ignore").astype(object) for name in names}
    )


@dataclass(frozen=True)
class _CountingScorer(TargetScorer):
    """Scores per target, and tells that a fit is done: each is scored once."""

    when_scored: Callable[[], object] = lambda: None
    watch: Callable[..., object] | None = None

    def __call__(self, estimator, X, y, sample_weight=None) -> dict[str, float]:
        scores = super().__call__(estimator, X, y, sample_weight)
        if self.watch is not None:
            self.watch(estimator, X)
        self.when_scored()
        return scores


def _one_at_a_time(function: Callable[[], object]) -> Callable[[], None]:
    """The function, safe to be called by several threads."""
    lock = threading.Lock()

    def call() -> None:
        with lock:
            function()

    return call


def _n_weights(search: SharingDepthSearchCV) -> list[int]:
    network = search.best_estimator_[-1]
    architecture = members_of(network)[0].architecture
    return [
        network.n_members * dataclasses.replace(architecture, sharing_depth=depth).n_weights
        for depth in range(len(search.cv_results_["params"]))
    ]
