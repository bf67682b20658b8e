"""``--report``: the search, its verdict and the network on one page to hand on."""

from __future__ import annotations

import platform
import shlex
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.base import is_classifier

from .._estimators.network_diagram import diagram_data
from .._messages import shortened
from .._network.diagram import diagram
from .._network.svg import svg
from ..model_selection import ModelVerdict, sharing_verdict
from ..model_selection._verdict import highest_gain_first, judgement, shared_layers
from . import InputError
from .comparison import CLEAR
from .page import code, drawing, page, paragraph, picture, section, table
from .pictures import (
    MOST_TARGETS,
    drawn,
    predicted_and_observed,
    predicted_and_true_classes,
)
from .report import _data_line, _legend, _score, _scores
from .search import DepthSearch
from .table import Table

SUFFIXES = (".html", ".htm")
MOST_NAMED = 60  # targets or features in a table
MOST_PREDICTED = 15_000  # rows times features, of the importance, in each repeat
MANY_FEATURES = 100  # which are shuffled once, as it takes long
LIBRARIES = (
    "skmtl",
    "tensorflow",
    "keras",
    "scikit-learn",
    "numpy",
    "pandas",
    "matplotlib",
)


def check_report(path: str) -> None:
    """Find out before the search whether its report can be made."""
    from ..inspection._style import check_matplotlib

    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(
            f"--report {path!r}: name a file that ends in {' or '.join(SUFFIXES)}"
        )
    try:
        check_matplotlib("--report")
    except ImportError as error:
        raise InputError(str(error)) from error


class OutOfFold:
    """What the models of a search predicted of the rows that they had not seen."""

    def __init__(self) -> None:
        self._found: list[tuple[int, pd.Index, np.ndarray]] = []

    def add(self, model, X: pd.DataFrame) -> None:
        self._found.append((model[-1].sharing_depth, X.index, model.predict(X)))

    def of_depth(self, depth: int, n_rows: int) -> np.ndarray:
        """Predictions (n, T), the last ones where folds were repeated; NaN of no fold."""
        parts = [(rows, f) for own, rows, f in self._found if own == depth]
        first = parts[0][1]
        kind = float if first.dtype.kind in "fiu" else object
        predicted = np.full((n_rows, first.shape[1]), np.nan, dtype=kind)
        for rows, f in parts:
            predicted[rows] = f
        return predicted


def save_report(
    path: str,
    data: Table,
    search: DepthSearch,
    seen: OutOfFold,
    verdict: ModelVerdict | None,
    command: Sequence[str],
) -> list[str]:
    """Write the page; returns the warnings, each text once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        text = _page(data, search, seen, verdict, command)
    try:
        Path(path).write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"the report cannot be saved: {error}") from error
    return list(dict.fromkeys(str(warning.message) for warning in caught))


def _page(data, search, seen, verdict, command) -> str:
    sections = [
        _asked(data, search),
        _verdicts(search, verdict),
        _table_and_holes(data),
        _depths(search),
        _gains(search),
        *([] if verdict is None else [_models(verdict)]),
        _predictions(data, search, seen),
        _importance(data, search),
        _network(search),
        _training(search),
        _made(command),
    ]
    return page(f"What should the targets of {Path(data.name).name} share?", sections)


def _asked(data: Table, search: DepthSearch) -> str:
    names = list(data.Y.columns)
    return section(
        "What was asked",
        paragraph(
            f"How many hidden layers should the targets {_listed(names)} share, if one "
            f"neural network predicts them from {_listed(list(data.X.columns))}?"
        ),
        paragraph(_data_line(data, search)),
        *(paragraph(f"Note: {note}.", "note") for note in data.notes),
    )


def _listed(names: Sequence[str]) -> str:
    if len(names) > 8:
        return f"{', '.join(map(_name, names[:6]))} and {len(names) - 6} others"
    *others, last = map(_name, names)
    return f"{', '.join(others)} and {last}" if others else last


def _name(name) -> str:
    return shortened(name, 40)


def _verdicts(search: DepthSearch, verdict: ModelVerdict | None) -> str:
    parts = [paragraph(sharing_verdict(search.fitted), "verdict")]
    if verdict is not None:
        parts.append(paragraph(str(verdict), "verdict"))
    return section("The verdict", *parts)


def _table_and_holes(data: Table) -> str:
    targets = [_described(name, data.Y[name]) for name in data.Y.columns[:MOST_NAMED]]
    features = [_described(name, data.X[name]) for name in data.X.columns[:MOST_NAMED]]
    header = ["observed", "missing", "mean", "std", "lowest", "highest", "values"]
    parts = [table(["target", *header], targets), table(["feature", *header], features)]
    left_out = sum(max(0, own.shape[1] - MOST_NAMED) for own in (data.X, data.Y))
    if left_out:
        parts.append(paragraph(f"{left_out} more columns are not listed.", "note"))
    return section("The table and its holes", *parts)


def _described(name, column: pd.Series) -> list[str]:
    n, share = column.notna().sum(), column.isna().mean()
    numbers = ["", "", "", ""]
    if is_numeric_dtype(column) and column.dtype != bool:
        own = column.astype(float)
        numbers = [f"{x:.4g}" for x in (own.mean(), own.std(), own.min(), own.max())]
    missing = f"{share:.1%}" if share else ""
    return [_name(name), f"{n}", missing, *numbers, f"{column.nunique()}"]


def _depths(search: DepthSearch) -> str:
    from ..inspection import SharingDepthDisplay

    gains, score = search.fitted.sharing_gain_, _score(search)
    mean = _scores(search)[:, 0]
    rows = []
    for depth, n_weights in enumerate(search.n_weights):
        gain, se = (gains.loc[depth, (key, "mean")] for key in ("gain", "se"))
        of_sharing = [f"{gain:+.4f}", f"{se:.4f}"] if depth else ["", ""]
        own = mean[:, depth]
        spread = f"{own.std(ddof=1):.4f}"
        rows.append([f"{depth}", f"{n_weights}", f"{own.mean():.4f}", spread, *of_sharing])

    def draw(figure) -> None:
        ax = figure.add_subplot()
        legend = SharingDepthDisplay.from_search(search.fitted, ax=ax).ax_.get_legend()
        legend.set_loc("upper left")
        legend.set_bbox_to_anchor((1, 1))

    header = ["depth", "weights", score, "std over folds", "gain", "standard error"]
    best = int(search.fitted.best_index_)
    return section(
        "Scores of every sharing depth",
        table(header, rows, best),
        picture(drawn(draw, (8, 4)), "Score of every sharing depth, with its spread"),
        paragraph(_in_columns_here(_legend(search)), "note"),
    )


def _gains(search: DepthSearch) -> str:
    from ..inspection import SharingGainDisplay

    found = judgement(search.fitted)
    ordered = highest_gain_first(found.table)
    rows = [
        [
            "mean of targets" if own.Index == "mean" else _name(own.Index),
            f"{own.gain:+.4f}",
            f"{own.se:.4f}",
            f"{own.n_gained} of {own.n_folds}",
            own.effect,
        ]
        for own in ordered.head(MOST_NAMED + 1).itertuples()
    ]

    def draw(figure) -> None:
        SharingGainDisplay.from_search(search.fitted, ax=figure.add_subplot())

    height = (0.32 if len(ordered) <= 20 else 0.18) * len(ordered) + 1.6
    return section(
        f"Gain of sharing {shared_layers(search.fitted, found.depth)}, for each target",
        picture(drawn(draw, (8, height)), "Gain of each target, with standard errors"),
        table(["target", "gain", "standard error", "folds gained", ""], rows),
    )


def _in_columns_here(legend: str) -> str:
    """The terminal's legend, by the names of the columns of this table."""
    before, _, after = legend.partition(" seconds: for fitting all folds.")
    own = {"std:": "std over folds:", "s.e.:": "standard error:"}
    for short, name in own.items():
        before = before.replace(short, name)
    return before + after


def _models(verdict: ModelVerdict) -> str:
    """Scores of all models, a line for each, with the error of its difference."""
    shown = verdict.table.head(MOST_NAMED + 1)
    rows = [
        [model, *(_model_cell(own, model) for _, own in shown.iterrows())]
        for model in shown["score"].columns
    ]
    header = ["mean of targets" if name == "mean" else _name(name) for name in shown.index]
    score = "R2" if verdict.metric == "r2" else "Minus the log loss"
    return section(
        "Other models",
        table(["model", *header], rows),
        paragraph(
            f"{score}; in parentheses the difference to the best model, marked by *, and "
            f"its standard error. {CLEAR}",
            "note",
        ),
    )


def _model_cell(own: pd.Series, model: str) -> str:
    score, effect = own[("score", model)], own[("effect", model)]
    if effect == "best":
        return f"{score:.4f} *"
    return f"{score:.4f} ({own[('difference', model)]:+.4f} ± {own[('se', model)]:.4f})"


def _predictions(data: Table, search: DepthSearch, seen: OutOfFold) -> str:
    depth = int(search.fitted.best_params_[_depth_name(search)])
    predicted = seen.of_depth(depth, len(data.Y))
    draw = predicted_and_true_classes if data.of_classes else predicted_and_observed
    more = max(0, data.Y.shape[1] - MOST_TARGETS)
    words = f"By networks of depth {depth} that have not seen the row."
    words += f" {more} more targets are not shown." if more else ""
    return section(
        "Predicted against observed",
        paragraph(words, "note"),
        picture(draw(data.Y, predicted), "Predicted against observed values out of fold"),
    )


def _depth_name(search: DepthSearch) -> str:
    (name,) = search.fitted.best_params_
    return name


def _importance(data: Table, search: DepthSearch) -> str:
    from ..inspection import TargetImportanceDisplay, target_importance

    model = search.fitted.best_estimator_
    n_rows = min(len(data.X), max(50, MOST_PREDICTED // data.X.shape[1]))
    rows = np.sort(np.random.default_rng(0).permutation(len(data.X))[:n_rows])
    n_repeats = 3 if data.X.shape[1] <= MANY_FEATURES else 1
    found = target_importance(
        model, data.X.iloc[rows], data.Y.iloc[rows], n_repeats=n_repeats, random_state=0
    )
    score = "negative log loss" if is_classifier(model) else "R²"
    spread = f", ± the standard deviation of {n_repeats} repeats" if n_repeats > 1 else ""
    shown = found["importance"].iloc[:, : MOST_NAMED + 1]
    size = min(11.0, 3.5 + 0.8 * shown.shape[1]), 1.8 + 0.3 * min(20, len(shown))

    def draw(figure) -> None:
        display = TargetImportanceDisplay(
            importance=shown, std=found["std"][shown.columns], score_name=score
        )
        display.plot(ax=figure.add_subplot())

    return section(
        "Importance of the features",
        paragraph(
            f"How much {score} is lost if a feature is shuffled among {n_rows} of the rows "
            f"that the model was fitted to{spread}. Of features that go together, each may "
            "seem of little importance.",
            "note",
        ),
        picture(drawn(draw, size), "Importance of each feature for each target"),
    )


def _network(search: DepthSearch) -> str:
    network = search.fitted.best_estimator_[-1]
    return section("The network", drawing(svg(diagram(**diagram_data(network)))))


def _training(search: DepthSearch) -> str:
    from ..inspection import TrainingDisplay

    def draw(figure) -> None:
        model = search.fitted.best_estimator_
        TrainingDisplay.from_estimator(model, ax=figure.add_subplot())

    return section(
        "The course of training",
        picture(drawn(draw, (8, 3.6)), "Losses of every epoch, of the model of all rows"),
    )


def _made(command: Sequence[str]) -> str:
    own = [f"{name} {version(name)}" for name in LIBRARIES]
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return section(
        "How this was made",
        code(shlex.join(command)),
        paragraph(f"{when}; Python {platform.python_version()}, {', '.join(own)}.", "note"),
    )
