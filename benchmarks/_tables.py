"""The tables that benchmarks are run on, their folds, and the measure of error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.preprocessing import OneHotEncoder

from skmtl.datasets import load_energy, load_slump


class Table(NamedTuple):
    """Features as they come, targets (n, T), and which features are categories."""

    name: str
    X: pd.DataFrame
    Y: np.ndarray
    nominal: list[str]


class Fold(NamedTuple):
    """Numbers without holes: features (n, d) and targets (n, T) of both parts."""

    X_train: np.ndarray
    Y_train: np.ndarray
    X_test: np.ndarray
    Y_test: np.ndarray


def read_tables(folder: Path | None = None) -> list[Table]:
    """The tables of a folder in the order of their names, or the bundled ones.

    A folder has tables ``NAME.csv.gz`` and a ``datasets.json``, which gives for every name
    the list of its ``targets`` and the number of its ``nominal_features``. Columns of text
    are nominal, and so are all columns if that number says so.
    """
    if folder is None:
        return [_bundled("energy", load_energy), _bundled("slump", load_slump)]
    about = json.loads((folder / "datasets.json").read_text(encoding="utf-8"))
    return [_read(folder, name, about[name]) for name in sorted(about)]


def _bundled(name: str, load) -> Table:
    X, Y = load(return_X_y=True, as_frame=True)
    return Table(name, X, Y.to_numpy(float), nominal=[])


def _read(folder: Path, name: str, about: dict) -> Table:
    frame = pd.read_csv(folder / f"{name}.csv.gz")
    X = frame.drop(columns=about["targets"])
    nominal = list(X.select_dtypes(exclude="number"))
    if about.get("nominal_features") == X.shape[1]:
        nominal = list(X)
    return Table(name, X, frame[about["targets"]].to_numpy(float), nominal)


def folds(table: Table, n_folds: int) -> Iterator[Fold]:
    """Shuffled folds, the features made numbers by what the training rows tell.

    Nominal features are one-hot encoded; a missing number becomes the mean of its column.
    """
    splits = KFold(n_folds, shuffle=True, random_state=0).split(table.X)
    for train, test in splits:
        encoder = make_column_transformer(
            (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), table.nominal),
            remainder=SimpleImputer(keep_empty_features=True),
        )
        yield Fold(
            encoder.fit_transform(table.X.iloc[train]),
            table.Y[train],
            encoder.transform(table.X.iloc[test]),
            table.Y[test],
        )


def average_relative_rmse(
    Y_true: np.ndarray, Y_predicted: np.ndarray, Y_train: np.ndarray
) -> float:
    """Mean over targets of sqrt(sum (y - f)^2 / sum (y - mean of the training rows)^2).

    1 is as good as the mean (Spyromitros-Xioufis et al., "Multi-target regression via
    input space expansion", Machine Learning 104, 2016).
    """
    errors = ((Y_true - Y_predicted) ** 2).sum(axis=0)
    spread = ((Y_true - Y_train.mean(axis=0)) ** 2).sum(axis=0)
    return float(np.sqrt(errors / spread).mean())
