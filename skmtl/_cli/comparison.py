"""The network beside other models, on the folds of its search."""

from __future__ import annotations

import warnings

from joblib import parallel_config

from ..model_selection import ModelVerdict, model_verdict
from . import InputError
from .report import _aligned, _filled
from .search import DepthSearch
from .table import Table


def compare_models(
    table: Table, search: DepthSearch, n_jobs: int, seed: int
) -> ModelVerdict:
    """The verdict on the mean, ridge, boosted trees and the network at every depth."""
    with warnings.catch_warnings(), parallel_config(backend="threading"):
        warnings.simplefilter("ignore")  # undefined scores, of which the search has told
        try:
            return model_verdict(
                search.fitted,
                table.X,
                table.Y,
                groups=table.groups,
                n_jobs=n_jobs,
                random_state=seed,
            )
        except ValueError as error:
            raise InputError(str(error)) from error


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
    return "\n".join(["", *lines, "", _filled(str(verdict)), ""])
