"""What the defaults of training are worth, on real tables.

::

    python -m benchmarks.defaults --data DIR

DIR holds tables ``NAME.csv.gz`` and a ``datasets.json`` that names the targets of each.
The figure is the average relative RMSE (Spyromitros-Xioufis et al. 2016): the mean over
targets of sqrt(sum (y - f)^2 / sum (y - mean of the training rows)^2), averaged over
KFold(5, shuffle=True, random_state=0). Text columns are one-hot encoded, missing features
get the median.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from skmtl import MultiTaskRegressor

from ._report import circumstances, markdown_table, write_section

DEFAULTS = Path(__file__).with_name("DEFAULTS.md")

PLAIN = {"epochs": 200, "n_iter_no_change": 20, "weight_decay": 0.0}
PATIENT = {"epochs": 400, "n_iter_no_change": 40}
VARIANTS = {
    "plain: 200 epochs, patience 20, no weight decay": PLAIN,
    "400 epochs, patience 40": PATIENT | {"weight_decay": 0.0},
    "... and weight decay 0.5: the default": {},
    "... and validation_fraction 0.15": {"validation_fraction": 0.15},
    "... and GELU": {"activation": "gelu"},
}


def read_table(folder: Path, name: str, targets: list[str]):
    frame = pd.read_csv(folder / f"{name}.csv.gz")
    X = pd.get_dummies(frame.drop(columns=targets), dtype=float)
    X = X.fillna(X.median()).fillna(0.0)
    return X.to_numpy(float), frame[targets].to_numpy(float)


def average_relative_rmse(regressor, X: np.ndarray, Y: np.ndarray) -> float:
    figures = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        predicted = regressor.fit(X[train], Y[train]).predict(X[test])
        errors = ((Y[test] - predicted) ** 2).sum(axis=0)
        spread = ((Y[test] - Y[train].mean(axis=0)) ** 2).sum(axis=0)
        figures.append(np.sqrt(errors / spread).mean())
    return float(np.mean(figures))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defaults")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    folder = parser.parse_args().data
    about = json.loads((folder / "datasets.json").read_text())
    where = circumstances()
    figures = {variant: [] for variant in VARIANTS}
    for name in sorted(about):
        X, Y = read_table(folder, name, about[name]["targets"])
        for variant, params in VARIANTS.items():
            regressor = MultiTaskRegressor(random_state=0, **params)
            figures[variant].append(average_relative_rmse(regressor, X, Y))
        sys.stderr.write(f"{name} {[round(f[-1], 4) for f in figures.values()]}\n")
    rows = [
        [variant, f"**{np.mean(values):.4f}**", *(f"{v:.4f}" for v in values)]
        for variant, values in figures.items()
    ]
    lines = ["## Defaults of training", "", *where, "- figure: average relative RMSE", ""]
    lines += markdown_table(["variant", "mean", *sorted(about)], rows)
    sys.stdout.write("\n".join([*lines, ""]))
    write_section(DEFAULTS, "defaults", lines)


if __name__ == "__main__":
    main()
