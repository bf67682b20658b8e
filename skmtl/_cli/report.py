"""What the search found, as text of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from sklearn.base import is_classifier

from .._messages import shortened
from ..model_selection import sharing_verdict
from ..model_selection._gain import _fold_scores
from ..model_selection._verdict import Judgement, highest_gain_first, judgement
from .onnx import is_onnx
from .search import DepthSearch
from .table import Table

WIDTH = 100
MIN_NAME_WIDTH = 12


def report(table: Table, search: DepthSearch) -> str:
    names = [" ".join(name.split()) for name in table.Y.columns]
    found = judgement(search.fitted)
    parts = [[_data_line(table, search)]]
    summary = _summary(search, names)
    if len(summary[0]) <= WIDTH:
        parts += [summary]
    else:
        parts += [_summary(search), _score_per_target(search, names)]
    parts += [_gain_per_target(found), [_filled(_legend(search))]]
    parts += [[_filled(sharing_verdict(search.fitted))]]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def how_to_load(path: str, table: Table, name: str, note: str) -> str:
    """Of the model of this name, and what else is to be known of it."""
    text = (
        f"What has the highest score, {name}, is saved in {path}, fitted to all rows. "
        f"It predicts, in this order: {', '.join(table.Y.columns)}."
    )
    if note:
        text += f" {note}"
    if is_onnx(path):
        text += (
            " The graph has an input of shape (rows, 1) for every column: float64 with NaN "
            "for what is missing, or strings with ''."
        )
        how = f"    import onnxruntime\n    onnxruntime.InferenceSession({path!r})\n"
    else:
        marks = "".join(f", {name}={mark!r}" for name, mark in table.marks.items())
        how = (
            "    import joblib, pandas\n"
            f"    rows = pandas.read_csv('new_rows.csv'{marks})\n"
            f"    joblib.load({path!r}).predict(rows)\n"
        )
    return f"\n{_filled(text)}\n\n{how}"


def _data_line(table: Table, search: DepthSearch) -> str:
    n_rows, n_targets = table.Y.shape
    n_features = table.X.shape[1]
    n_categories = table.X.select_dtypes(exclude="number").shape[1]
    categories = f" ({n_categories} of categories)" if n_categories else ""
    n_missing = int(table.Y.isna().sum().sum())
    missing = f" ({n_missing / table.Y.size:.1%} of the cells missing)" if n_missing else ""
    return (
        f"{table.name}: {n_rows} rows, {n_features} feature{'s' if n_features > 1 else ''}"
        f"{categories}, {n_targets} targets{missing}, {_folds(search)}{_of_groups(table)}"
    )


def _of_groups(table: Table) -> str:
    if table.groups is None:
        return ""
    return f" of whole groups ({table.groups.nunique()} in {table.groups.name!r})"


def _folds(search: DepthSearch) -> str:
    n_folds, n_repeats = search.fitted.n_splits_, search.fitted.cv.n_repeats
    times = f" ({n_repeats} times {n_folds // n_repeats})" if n_repeats > 1 else ""
    return f"{n_folds} folds{times}"


def _summary(search: DepthSearch, names: Sequence[str] = ()) -> list[str]:
    """A line per depth, with the scores of the named targets if any."""
    header = ["depth", "weights", _score(search), "std", *names, "gain", "s.e.", "seconds"]
    results, n_folds = search.fitted.cv_results_, search.fitted.n_splits_
    gains = search.fitted.sharing_gain_
    mean = _scores(search)[:, 0]
    rows = []
    for depth, per_target in enumerate(_scores(search)[:, 1:].mean(axis=0).T):
        gain, error = (gains.loc[depth, (key, "mean")] for key in ("gain", "se"))
        rows.append(
            [
                f"{depth}",
                f"{search.n_weights[depth]}",
                f"{mean[:, depth].mean():.4f}",
                f"{mean[:, depth].std(ddof=1):.4f}",
                *(f"{score:.4f}" for score in per_target if names),
                *([f"{gain:+.4f}", f"{error:.4f}"] if depth > 0 else ["", ""]),
                f"{results['mean_fit_time'][depth] * n_folds:.1f}",
            ]
        )
    return _aligned([header, *rows])


def _score_per_target(search: DepthSearch, names: Sequence[str]) -> list[str]:
    """A line per target, with its score at every depth."""
    scores = _scores(search)[:, 1:].mean(axis=0)
    rows = [[f"{value:.4f}" for value in by_depth] for by_depth in scores]
    header = [f"{_score(search)} at depth", *map(str, range(scores.shape[1]))]
    return _with_names(header, names, rows)


def _gain_per_target(found: Judgement) -> list[str]:
    """A line for the mean and per target, the highest gain first."""
    header = [f"at depth {found.depth}", "gain", "s.e.", "folds gained", ""]
    table = highest_gain_first(found.table)
    rows = [
        [f"{r.gain:+.4f}", f"{r.se:.4f}", f"{r.n_gained} of {r.n_folds}", r.effect]
        for r in table.itertuples()
    ]
    names = ["mean of targets", *table.index[1:]]
    return _with_names(header, names, rows, left=[4])


def _scores(search: DepthSearch) -> np.ndarray:
    """Scores (folds, 1 + T, depths) of the mean and of each target."""
    _, scores = _fold_scores(search.fitted.cv_results_, search.fitted.n_splits_)
    return scores


def _score(search: DepthSearch) -> str:
    return "-log loss" if is_classifier(search.fitted) else "R2"


def _legend(search: DepthSearch) -> str:
    *_, network = search.fitted.best_estimator_
    sizes = "-".join(str(size) for size in [*network.trunk_sizes, *network.head_sizes])
    weights = "weights: how many the network has. "
    if network.n_members > 1:
        weights = (
            f"weights: of the {network.n_members} networks in every model, which predicts "
            "their mean. "
        )
    score = _score(search)
    meaning = " minus the log loss in nats, 0 at best," if score != "R2" else ""
    return (
        f"depth: hidden layers, of {sizes} units, that all targets share. {weights}{score}:"
        f"{meaning} mean over targets and folds; std: its standard deviation over folds. "
        f"gain: {score} over that of separate networks (depth 0); s.e.: its standard "
        "error, from the differences that single rows make. seconds: for fitting all "
        "folds. folds gained: in which the gain is above 0. helps, hurts: gains that are "
        "clear at the 5 % level, allowing for the number of targets and depths."
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _with_names(header, names, rows, left: Sequence[int] = ()) -> list[str]:
    """A table whose first column, the names, gets the width that the others leave."""
    others = _aligned([header, *(["", *row] for row in rows)])
    width = WIDTH - max(map(len, others)) + len(header[0])
    named = [
        [shortened(name, max(MIN_NAME_WIDTH, width)), *row]
        for name, row in zip(names, rows, strict=True)
    ]
    return _aligned([header, *named], left=[0, *left])


def _aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Lines with columns of equal width; those whose numbers are in `left` flush left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return [line.rstrip() for line in lines]
