"""Intervals that shall hold 90 % of new values: how many they hold, and how wide they are.

Also how many new rows they hold with all targets at once, and how many the boxes that are
made for that.

::

    python -m benchmarks.held_out DIR
    python -m benchmarks.intervals --data DIR
    python -m benchmarks.intervals --data DIR --models normal quantiles --tables bdf
    python -m benchmarks.intervals --models conformal-normal-8 normal-8 --section calibrated

DIR as for `benchmarks.accuracy`; the first command makes the tables that no default was
chosen on. Needs the extra ``bench``. Figures are means over KFold(3, shuffle=True,
random_state=0) and over targets. The interval score (Winkler 1972; Gneiting & Raftery
2007) is the width, plus 20 times what a value lies outside by: it is least for the true
quantiles. It is given in standard deviations of the training rows. Nothing is tuned.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl.calibration import ConformalRegressor

from ._report import circumstances, markdown_table, write_section
from ._tables import Fold, Table, folds, read_tables
from .accuracy import mean_ranks

RESULTS = Path(__file__).with_name("RESULTS.md")
N_FOLDS = 3
LEVEL = 0.9
LOWER, UPPER = 0.05, 0.95

Interval = tuple[np.ndarray, np.ndarray]  # lower and upper ends (n, T)


class Intervals(NamedTuple):
    """Of every target alone, and where there are such, those of all targets at once."""

    own: Interval
    box: Interval | None = None


class Figures(NamedTuple):
    """Of a fold, or the means of some."""

    coverage: np.ndarray  # (T,)
    jointly: float  # rows with all targets in their intervals
    in_boxes: float
    width: float  # of intervals, mean over targets
    box_width: float
    score: float  # mean over targets


# --- models: fitted to a fold, they give the interval of every test row and target -----


def normal(n_members: int) -> Callable[[Fold], Interval]:
    def intervals(fold: Fold) -> Interval:
        model = MultiTaskRegressor(loss="normal", n_members=n_members, random_state=0)
        model.fit(fold.X_train, fold.Y_train)
        mean, std = model.predict(fold.X_test, return_std=True)
        return mean - norm.ppf(UPPER) * std, mean + norm.ppf(UPPER) * std

    return intervals


def quantiles(n_members: int) -> Callable[[Fold], Interval]:
    def intervals(fold: Fold) -> Interval:
        loss = ("quantile", (LOWER, 0.5, UPPER))
        model = MultiTaskRegressor(loss=loss, n_members=n_members, random_state=0)
        Q = model.fit(fold.X_train, fold.Y_train).predict_quantiles(fold.X_test)
        return Q[:, :, 0], Q[:, :, 2]

    return intervals


def boosted_quantiles(fold: Fold) -> Interval:
    ends = [
        [
            HistGradientBoostingRegressor(loss="quantile", quantile=level, random_state=0)
            .fit(fold.X_train, y)
            .predict(fold.X_test)
            for y in fold.Y_train.T
        ]
        for level in (LOWER, UPPER)
    ]
    return tuple(np.stack(of_targets, axis=1) for of_targets in ends)


def conformal_network(loss, n_members=1, cv=8) -> Callable[[Fold], Intervals]:
    """Eight networks, each fitted without an eighth of the rows and scored by it.

    Or, with a float for ``cv``, an ensemble that is scored by this share of the rows.
    """

    def intervals(fold: Fold) -> Intervals:
        network = MultiTaskRegressor(loss=loss, n_members=n_members, random_state=0)
        model = ConformalRegressor(network, cv=cv, random_state=0)
        model.fit(fold.X_train, fold.Y_train)
        own, box = (
            np.moveaxis(model.predict_interval(fold.X_test, LEVEL, joint=joint), -1, 0)
            for joint in (False, True)
        )
        return Intervals(tuple(own), tuple(box))

    return intervals


def conformal(make: Callable) -> Callable[[Fold], Interval]:
    """A fifth of the rows tells how far predictions of the others are off."""

    def intervals(fold: Fold) -> Interval:
        from mapie.regression import SplitConformalRegressor

        n_fit = len(fold.X_train) * 4 // 5
        order = np.random.default_rng(0).permutation(len(fold.X_train))
        fit, calibrate = order[:n_fit], order[n_fit:]
        ends = []
        for y in fold.Y_train.T:
            model = SplitConformalRegressor(make(), confidence_level=LEVEL, prefit=False)
            model.fit(fold.X_train[fit], y[fit])
            model.conformalize(fold.X_train[calibrate], y[calibrate])
            ends.append(model.predict_interval(fold.X_test)[1][:, :, 0])
        ends = np.stack(ends, axis=1)
        return ends[:, :, 0], ends[:, :, 1]

    return intervals


MODELS: dict[str, Callable[[Fold], Interval | Intervals]] = {
    "conformal-normal-8": conformal_network("normal"),
    "conformal-quantiles-8": conformal_network(("quantile", (LOWER, 0.5, UPPER))),
    "conformal-8": conformal_network("squared_error"),
    "split-normal-8": conformal_network("normal", n_members=8, cv=0.2),
    "split-quantiles-8": conformal_network(
        ("quantile", (LOWER, 0.5, UPPER)), n_members=8, cv=0.2
    ),
    "normal-8": normal(8),
    "quantiles-8": quantiles(8),
    "normal": normal(1),
    "quantiles": quantiles(1),
    "hist-gb-quantiles": boosted_quantiles,
    "conformal-hist-gb": conformal(lambda: HistGradientBoostingRegressor(random_state=0)),
    "conformal-forest": conformal(
        lambda: RandomForestRegressor(300, random_state=0, n_jobs=-1)
    ),
}
OWN = ["conformal-normal-8", "conformal-quantiles-8", "normal-8", "quantiles-8"]
PEERS = ["hist-gb-quantiles", "conformal-hist-gb", "conformal-forest"]


# --- measuring ------------------------------------------------------------------------


def figures(fold: Fold, found: Interval | Intervals) -> Figures:
    found = found if isinstance(found, Intervals) else Intervals(found)
    (low, high), Y = found.own, fold.Y_test
    outside = np.maximum(low - Y, 0) + np.maximum(Y - high, 0)
    score = np.abs(high - low) + 2 / (1 - LEVEL) * outside
    inside, box, std = _inside(found.own, Y), found.box, fold.Y_train.std(axis=0)
    return Figures(
        coverage=inside.mean(axis=0),
        jointly=inside.all(axis=1).mean(),
        in_boxes=np.nan if box is None else _inside(box, Y).all(axis=1).mean(),
        width=_width(found.own, std),
        box_width=np.nan if box is None else _width(box, std),
        score=(score.mean(axis=0) / std).mean(),
    )


def _width(ends: Interval, std: np.ndarray) -> float:
    low, high = ends
    return (np.abs(high - low).mean(axis=0) / std).mean()


def _inside(ends: Interval, Y: np.ndarray) -> np.ndarray:
    low, high = ends
    return (low <= Y) & (high >= Y)


def measure(tables: Sequence[Table], models: Sequence[str], n_folds: int) -> pd.DataFrame:
    """The mean figures over the first folds, a row per table and a column per model."""
    frame = pd.DataFrame(index=[t.name for t in tables], columns=models, dtype=object)
    for table in tables:
        for name in models:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module="mapie")
                shown = islice(folds(table, N_FOLDS), n_folds)
                found = [figures(fold, MODELS[name](fold)) for fold in shown]
            mean = Figures(
                *(np.mean(of_folds, axis=0) for of_folds in zip(*found, strict=True))
            )
            frame.at[table.name, name] = mean
            sys.stderr.write(
                f"{table.name} {name}: {mean.coverage.round(3)} of targets, "
                f"{mean.jointly:.3f} jointly, {mean.in_boxes:.3f} in boxes, "
                f"score {mean.score:.3f}\n"
            )
    return frame


def each(found: pd.DataFrame, figure: Callable[[Figures], float]) -> pd.DataFrame:
    """One figure of every table and model."""
    return found.map(figure).astype(float)


def summary(found: pd.DataFrame) -> list[str]:
    """A row per model, the best mean rank first; each of skmtl's is ranked alone."""
    scores = each(found, lambda f: f.score)
    columns = {
        "coverage": each(found, lambda f: f.coverage.mean()).mean(),
        "of its worst target": each(found, lambda f: f.coverage.min()).min(),
        "rows in intervals": each(found, lambda f: f.jointly).mean(),
        "rows in boxes": each(found, lambda f: f.in_boxes).mean(),
        "width": each(found, lambda f: f.width).mean(),
        "width of boxes": each(found, lambda f: f.box_width).mean(),
        "score": scores.mean(),
    }
    for own in [name for name in OWN if name in scores]:
        shown = [own, *(peer for peer in PEERS if peer in scores)]
        if len(shown) > 1:
            columns[f"rank with {own}"] = mean_ranks(scores[shown])
    return as_markdown(pd.DataFrame(columns).reindex(scores.columns))


def details(found: pd.DataFrame) -> list[str]:
    """A row per model and a column per table."""
    shown = {
        "Coverage": lambda f: f.coverage.mean(),
        "Coverage of the target that is covered least": lambda f: f.coverage.min(),
        "Coverage of the target that is covered most": lambda f: f.coverage.max(),
        "Rows with all targets in their intervals": lambda f: f.jointly,
        "Rows with all targets in their boxes": lambda f: f.in_boxes,
        "Width of intervals, in standard deviations": lambda f: f.width,
        "Width of boxes, in standard deviations": lambda f: f.box_width,
        "Interval score, in standard deviations": lambda f: f.score,
    }
    lines = []
    for title, figure in shown.items():
        lines += ["", f"{title}:", "", *as_markdown(each(found, figure).T)]
    return lines


def as_markdown(frame: pd.DataFrame) -> list[str]:
    rows = [
        [name, *("" if np.isnan(value) else f"{value:.3f}" for value in row)]
        for name, *row in frame.itertuples(name=None)
    ]
    return markdown_table(["model", *frame.columns], rows)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.intervals", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="default: bundled tables")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME")
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="of DIR")
    parser.add_argument("--folds", type=int, default=N_FOLDS, help="of three; default: all")
    parser.add_argument(
        "--section",
        metavar="NAME",
        help="of RESULTS.md to write (default: intervals, or none if models, tables or "
        "folds are chosen)",
    )
    arguments = parser.parse_args(argv)
    where = circumstances()
    tables = [
        table
        for table in read_tables(arguments.data)
        if arguments.tables is None or table.name in arguments.tables
    ]
    found = measure(tables, arguments.models or list(MODELS), arguments.folds)
    name = arguments.section
    chosen = arguments.models or arguments.tables or arguments.folds != N_FOLDS
    if name is None and not chosen:
        name = "intervals"
    title = f"## {(name or 'intervals').replace('_', ' ').capitalize()}"
    lines = [title, "", *where, "", *summary(found), *details(found)]
    sys.stdout.write("\n".join([*lines, ""]))
    if name is not None:
        write_section(RESULTS, name, lines)


if __name__ == "__main__":
    main()
