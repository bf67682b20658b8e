"""What `--output` saves: the best network, or with `--compare` what is better than it."""

from __future__ import annotations

from typing import Any, NamedTuple

from joblib import parallel_config
from sklearn.pipeline import make_pipeline

from ..ensemble import MultiTaskStackingClassifier, MultiTaskStackingRegressor
from ..model_selection import ModelVerdict
from ..model_selection._compared import MEAN, Compared
from .search import DepthSearch, columns_of
from .table import Table


class Winner(NamedTuple):
    """A model that is fitted to all rows."""

    name: str
    model: Any
    note: str  # what is to be known of it, if anything


def best_of_all(
    table: Table,
    search: DepthSearch,
    compared: Compared | None,
    verdict: ModelVerdict | None,
    n_jobs: int,
    seed: int,
) -> Winner:
    """The model with the highest mean score over the targets; the network, if none else."""
    network = f"the network of depth {search.fitted.best_index_}"
    if compared is None or verdict is None:
        return Winner(network, search.fitted.best_estimator_, "")
    overall, *names = verdict.table.index
    best = verdict.best[overall]
    n_others = sum(_kind(verdict.best[name]) != _kind(best) for name in names)
    note = ""
    if n_others:
        note = (
            f"Another kind of model has the highest score for {n_others} of {len(names)} "
            "targets: the stacks in skmtl.ensemble weigh models for each target."
        )
    if best not in compared.others:
        return Winner(network, search.fitted.best_estimator_, note)
    name = "the mean" if best == MEAN else best
    fitted = _fitted(best, compared.others[best], table, n_jobs, seed)
    return Winner(name, fitted, note)


def _kind(name: str) -> str:
    return name.partition(", depth")[0]


def _fitted(name: str, part, table: Table, n_jobs: int, seed: int):
    """A fit to each target, where it is observed: a stack of one part."""
    kind = MultiTaskStackingClassifier if table.of_classes else MultiTaskStackingRegressor
    stack = kind([(name, part)], cv=2, n_jobs=n_jobs, random_state=seed)
    with parallel_config(backend="threading"):
        return make_pipeline(columns_of(table.X), stack).fit(table.X, table.Y)
