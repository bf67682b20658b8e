"""Other models beside the network, on the folds of its search."""

from __future__ import annotations

import warnings

from joblib import parallel_config

from .._estimators.base import BaseMultiTask
from .._types import Splitter
from ..model_selection import ModelVerdict
from ..model_selection._compared import Compared, compare, with_search
from ..model_selection._model_verdict import verdict_of
from . import InputError
from .report import _aligned, _filled
from .search import DepthSearch
from .table import Table

PART_OF_TIME = 1 / 4  # at most; trees take less than networks at every depth


def compare_others(
    table: Table,
    network: BaseMultiTask,
    folds: Splitter,
    n_jobs: int,
    seed: int,
    max_seconds: float | None = None,
) -> Compared:
    """The mean, ridge and boosted trees on these folds, if there is time for them.

    They come before the networks, whose search can do with any time that is left.
    """
    if max_seconds is not None:
        max_seconds *= PART_OF_TIME
    with warnings.catch_warnings(), parallel_config(backend="threading"):
        warnings.simplefilter("ignore")  # undefined scores, of which the search has told
        try:
            return compare(
                network,
                table.X,
                table.Y,
                models=None,
                depths=[],
                cv=folds,
                sample_weight=None,
                groups=table.groups,
                n_jobs=n_jobs,
                random_state=seed,
                max_seconds=max_seconds,
            )
        except ValueError as error:
            raise InputError(str(error)) from error


def verdict_with(others: Compared, search: DepthSearch) -> ModelVerdict:
    """The verdict on these models and the network at every depth."""
    return verdict_of(with_search(others, search.fitted, depths=None))


CLEAR = (
    "What is clear is so at the 5 % level, allowing for all pairs of models and for the "
    "number of targets: that takes a larger difference than one to separate networks alone."
)


def comparison(verdict: ModelVerdict) -> str:
    """As text: a line for each model, then the verdict in words."""
    table = verdict.table
    name = table.index[0]
    score = "R2" if verdict.metric == "r2" else "-log loss"
    header = ["model", score, "to the best", "s.e.", ""]
    own = table.loc[name]
    rows = [
        [
            model,
            f"{own[('score', model)]:.4f}",
            f"{own[('difference', model)]:+.4f}",
            "" if own[("effect", model)] == "best" else f"{own[('se', model)]:.4f}",
            own[("effect", model)],
        ]
        for model in table["score"].columns
    ]
    lines = _aligned([header, *rows], left=[0, 4])
    legend = f"to the best: {score} less that of the best model. {CLEAR}"
    return "\n".join(["", *lines, "", _filled(legend), "", _filled(str(verdict)), ""])
