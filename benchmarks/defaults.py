"""What each of the defaults is worth, on real tables.

::

    python -m benchmarks.defaults --data DIR

The tables and the protocol are those of ``benchmarks.accuracy``. The first variants build
the defaults up, one change after the other; the others change one thing in them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from unittest import mock

import numpy as np

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network import architecture as _architecture

from ._report import circumstances, markdown_table, write_section
from ._tables import average_relative_rmse, folds, read_tables

DEFAULTS = Path(__file__).with_name("DEFAULTS.md")

WITHOUT_BINS = {"n_bins": 0, "refit": False}
PLAIN = {
    "trunk_sizes": (64, 64),
    "head_sizes": (32,),
    "weight_decay": 0.0,
    "ema_momentum": 0.0,
    "linear_path": False,
    "clip_features": None,
    "output_scale": 1.0,
    **WITHOUT_BINS,
}


def _built_up(*names: str) -> dict:
    """The plain network with some of the defaults."""
    return {name: value for name, value in PLAIN.items() if name not in names}


VARIANTS = {
    "plain: Adam, ReLU, patience 40": PLAIN,
    "+ weight decay 0.5": _built_up("weight_decay"),
    "+ first output kernels times 0.1": _built_up("weight_decay", "output_scale"),
    "+ moving average of the weights": _built_up(
        "weight_decay", "output_scale", "ema_momentum"
    ),
    "+ linear path": {
        "trunk_sizes": (64, 64),
        "head_sizes": (32,),
        "clip_features": None,
        **WITHOUT_BINS,
    },
    "+ trunk (128, 128), heads (64,)": {"clip_features": None, **WITHOUT_BINS},
    "+ features cut off at 3": WITHOUT_BINS,
    "+ bins": {"refit": False},
    "+ all rows in the end: the default": {},
    "learning rate 2e-3": {"learning_rate": 2e-3},
    "dropout 0.1": {"dropout": 0.1},
    "GELU": {"activation": "gelu"},
    "trunk (192, 192), heads (64,)": {"trunk_sizes": (192, 192)},
}


def error(table, output_scale: float = _architecture.OUTPUT_SCALE, **params) -> float:
    """Mean of the average relative RMSE over 5 folds."""
    errors = []
    with mock.patch.object(_architecture, "OUTPUT_SCALE", output_scale):
        for X_train, Y_train, X_test, Y_test in folds(table, 5):
            model = MultiTaskRegressor(random_state=0, **params)
            predicted = model.fit(X_train, Y_train).predict(X_test)
            errors.append(average_relative_rmse(Y_test, predicted, Y_train))
    return float(np.mean(errors))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defaults")
    parser.add_argument("--data", type=Path, metavar="DIR", help="default: bundled tables")
    tables = read_tables(parser.parse_args().data)
    where = circumstances()
    rows = []
    for variant, params in VARIANTS.items():
        errors = [error(table, **params) for table in tables]
        rows.append([variant, f"**{np.mean(errors):.4f}**", *(f"{e:.4f}" for e in errors)])
        sys.stderr.write(f"{variant}: {np.mean(errors):.4f}\n")
    lines = ["## Defaults", "", *where, "- figure: average relative RMSE", ""]
    lines += markdown_table(["variant", "mean", *(t.name for t in tables)], rows)
    sys.stdout.write("\n".join([*lines, ""]))
    write_section(DEFAULTS, "defaults", lines)


if __name__ == "__main__":
    main()
