"""Ways to share and to balance, beside equal weights and beside separate networks.

::

    python -m benchmarks.sharing --data DIR [DIR ...] [--rows 200] [--folds 3]
    python -m benchmarks.sharing --data DIR --tables jura wq    some tables, printed only

A DIR as for `benchmarks.accuracy`, such as that of `benchmarks.held_out`. Of every table
at most so many rows are used, drawn at random: where rows are few, sharing matters. Errors
are average relative RMSE, means over KFold(shuffle=True, random_state=0), of the default
network with one parameter set otherwise; nothing is tuned. *Gain* is the error taken away
in percent of that of equal weights, by the logarithms of quotients: the mean over tables
with its standard error, the median, and the number of tables with a gain.

Beside the tables there is the synthetic regression of Ma et al. 2018 (section 3.2), for two
targets whose linear parts have a cosine of .1 (a conflict) and of .9.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from skmtl._estimators.parameter_constraints import BALANCING
from skmtl._estimators.regressor import MultiTaskRegressor

from ._report import circumstances, markdown_table, write_section
from ._tables import Table, average_relative_rmse, folds, read_tables

RESULTS = Path(__file__).with_name("RESULTS.md")
EQUAL, SEPARATE = "equal weights", "separate networks"
METHODS: dict[str, dict] = {
    EQUAL: {},
    SEPARATE: {"sharing_depth": 0},
    "all hidden layers shared": {"sharing_depth": 3},
    "4 experts": {"n_experts": 4},
    "2 experts, 1 of each target": {"n_experts": 2, "n_task_experts": 1},
    **{name: {"loss_weights": name} for name in BALANCING},
}
SYNTHETIC = (0.1, 0.9)  # cosines
N_SYNTHETIC, D_SYNTHETIC, N_SINES = 2000, 50, 10


def synthetic(cosine: float, seed: int = 0) -> Table:
    """Two targets: w.x and sines of it, with linear parts of this cosine, and noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_SYNTHETIC, D_SYNTHETIC))
    u, v = np.linalg.qr(rng.normal(size=(D_SYNTHETIC, 2)))[0].T
    directions = [u, cosine * u + np.sqrt(1 - cosine**2) * v]
    alpha, beta = rng.uniform(1, 3, N_SINES), rng.uniform(0, 2 * np.pi, N_SINES)
    Z = np.stack([X @ w for w in directions], axis=1)
    Y = Z + np.sin(alpha * Z[..., None] + beta).sum(axis=2)
    Y += 0.1 * rng.normal(size=Y.shape)
    return Table(f"cosine {cosine}", pd.DataFrame(X), Y, nominal=[])


def of_few_rows(table: Table, n_rows: int) -> Table:
    rows = np.random.default_rng(0).permutation(len(table.X))[:n_rows]
    X = table.X.iloc[np.sort(rows)].reset_index(drop=True)
    return table._replace(X=X, Y=table.Y[np.sort(rows)])


def errors(table: Table, methods: Sequence[str], n_folds: int) -> pd.Series:
    """Mean error over folds of every method."""
    found = {name: [] for name in methods}
    for fold in folds(table, n_folds):
        for name in methods:
            model = MultiTaskRegressor(random_state=0, **METHODS[name])
            predicted = model.fit(fold.X_train, fold.Y_train).predict(fold.X_test)
            error = average_relative_rmse(
                fold.Y_test, predicted.reshape(fold.Y_test.shape), fold.Y_train
            )
            found[name].append(error)
    means = pd.Series({name: np.mean(of_folds) for name, of_folds in found.items()})
    sys.stderr.write(f"{table.name}: {means.round(4).to_dict()}\n")
    return means


def summary(errors_: pd.DataFrame) -> list[str]:
    """Gain of every method over equal weights and over separate networks, in percent."""
    rows = []
    for name in errors_.columns:
        cells = [name]
        for yardstick in (EQUAL, SEPARATE):
            gains = -100 * np.log(errors_[name] / errors_[yardstick])
            se = gains.std() / np.sqrt(len(gains))
            mean = f"{gains.mean():+.2f} ({se:.2f})"
            cells += [mean, f"{gains.median():+.2f}", f"{(gains > 0).sum()}"]
        rows.append(cells)
    header = ["method", "gain over equal weights, %", "median", "tables"]
    return markdown_table([*header, "over separate, %", "median", "tables"], rows)


def of_tables(errors_: pd.DataFrame) -> list[str]:
    rows = [
        [name, *(f"{error:.3f}" for error in row)]
        for name, *row in errors_.T.itertuples(name=None)
    ]
    return markdown_table(["method", *errors_.index], rows)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sharing", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="DIR", help="default: bundled tables"
    )
    parser.add_argument("--rows", type=int, default=200, help="most of each table")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="NAME")
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="default: all")
    arguments = parser.parse_args(argv)
    where = circumstances()
    methods = arguments.methods or list(METHODS)
    tables = [table for folder in arguments.data or [None] for table in read_tables(folder)]
    names = [table.name for table in tables]
    if unknown := set(arguments.tables or []) - set(names):
        parser.error(f"argument --tables: no {sorted(unknown)} among {names}")

    def measured(tables):
        return pd.DataFrame({t.name: errors(t, methods, arguments.folds) for t in tables}).T

    made = measured(map(synthetic, SYNTHETIC))
    real = measured(
        of_few_rows(table, arguments.rows)
        for table in tables
        if table.name in (arguments.tables or names)
    )
    lines = ["## Ways to share", "", *where, ""]
    lines += [" ".join(__doc__[__doc__.index("Of every table") :].split()), ""]
    if {EQUAL, SEPARATE} <= set(methods):
        lines += [*summary(real), ""]
    lines += ["Average relative RMSE:", "", *of_tables(real)]
    lines += ["", "Of the synthetic regression:", "", *of_tables(made)]
    sys.stdout.write("\n".join([*lines, ""]))
    if not (arguments.methods or arguments.tables):
        write_section(RESULTS, "sharing", lines)


if __name__ == "__main__":
    main()
