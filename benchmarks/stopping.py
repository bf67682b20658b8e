"""Whether stopping by the metric that one is judged by pays, on new rows.

::

    python -m benchmarks.stopping

Needs the extra ``bench``: the tables are data sets of R, of `benchmarks.held_out` and of
`benchmarks.classification`. Each network is fitted with ``scoring="loss"`` and with each
metric, to the same rows from the same weights, and scored by that metric on the rows of the
other fold: KFold(3, shuffle=True) with four seeds, so 12 pairs. Targets that are numbers
are divided by their standard deviations, so that their absolute errors can be averaged.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import KFold

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.metrics import target_scorers

from . import _label_tables, held_out
from ._report import circumstances, markdown_table, write_section

DEFAULTS = Path(__file__).with_name("DEFAULTS.md")
N_SEEDS, N_FOLDS = 4, 3
OF_NUMBERS = (
    ("bdf", "expendshares", "mlbbat", "ricefarms"),
    ("neg_mean_absolute_error", "r2"),
)
OF_LABELS = (
    ("births", "birthwt", "chile", "survey"),
    ("accuracy", "balanced_accuracy", "roc_auc"),
)


def numbers(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    source = held_out.SOURCES[name]
    data = held_out.table(source).reset_index(drop=True)
    Y = data[list(source.targets)].astype(float)
    return data.drop(columns=list(source.targets)), Y / Y.std()


def labels(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return _label_tables.read(name, _label_tables.DEVELOPMENT[name])[1:]


def measure(model, X: pd.DataFrame, Y: pd.DataFrame, metrics: Sequence[str]):
    """By metric: pairs (12, 2) of scores on new rows, by loss and by it, and of epochs."""
    found = {metric: [] for metric in metrics}
    for seed in range(N_SEEDS):
        for train, test in KFold(N_FOLDS, shuffle=True, random_state=seed).split(X):
            fitted = {
                scoring: type(model)(scoring=scoring, random_state=seed).fit(
                    X.iloc[train], Y.iloc[train]
                )
                for scoring in ("loss", *metrics)
            }
            for metric in metrics:
                score = target_scorers(metric=metric)
                pair = [fitted["loss"], fitted[metric]]
                found[metric].append(
                    [
                        *(score(one, X.iloc[test], Y.iloc[test])["mean"] for one in pair),
                        *(one.best_epoch_[0, 0] for one in pair),
                    ]
                )
    return {metric: np.array(rows) for metric, rows in found.items()}


def row(table: str, metric: str, pairs: np.ndarray) -> list[str]:
    gains = pairs[:, 1] - pairs[:, 0]
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    by_loss, by_metric, *epochs = pairs.mean(axis=0)
    return [
        table,
        metric,
        f"{by_loss:.4f}",
        f"{by_metric:.4f}",
        f"{gains.mean():+.4f} ({error:.4f})",
        f"{(pairs[:, 2] != pairs[:, 3]).sum()} of {len(pairs)}",
        " / ".join(f"{epoch:.0f}" for epoch in epochs),
    ]


def main() -> None:
    where, rows = circumstances(), []
    warnings.simplefilter("ignore", UndefinedMetricWarning)
    warnings.filterwarnings("ignore", message=".*have no observed target")
    for model, read, (tables, metrics) in (
        (MultiTaskRegressor(), numbers, OF_NUMBERS),
        (MultiTaskClassifier(), labels, OF_LABELS),
    ):
        for table in tables:
            for metric, pairs in measure(model, *read(table), metrics).items():
                rows.append(row(table, metric, pairs))
                sys.stderr.write(" | ".join(rows[-1]) + "\n")
    lines = ["## Early stopping by a metric", "", *where, ""]
    header = ["table", "metric", "by loss", "by metric", "gain (s.e.)"]
    lines += markdown_table([*header, "other epochs", "epoch by loss / metric"], rows)
    sys.stdout.write("\n".join([*lines, ""]))
    write_section(DEFAULTS, "stopping", lines)


if __name__ == "__main__":
    main()
