"""Why a target has no score, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .._messages import listed
from .._tables.containers import as_frame
from ._cells import check_weight

FEWEST_ROWS = {"r2": 2}  # of other metrics 1


def undefined_scores(
    metric: str, names: Sequence[str], scores: np.ndarray, y, sample_weight, classes
) -> str:
    """Which targets have no score, and for what reason each."""
    true = as_frame(y, "y")
    counts, rows = true.notna().to_numpy(), "observed rows"
    weight = check_weight(sample_weight, y, true.shape)
    if weight is not None:
        counts = counts & (weight.reshape(len(true), -1) != 0)
        rows = "observed rows with a weight"
    if classes is not None and np.ndim(y) == 1:
        classes = [classes]
    groups: dict[str, list[str]] = {}
    for t in np.flatnonzero(np.isnan(scores)).tolist():
        seen = true.iloc[:, t][counts[:, t]]
        rows_seen = f"{rows}, {len(seen)} of {len(true)}"
        if len(seen) < FEWEST_ROWS.get(metric, 1):
            reason = f"too few {rows_seen}"
        elif metric == "roc_auc":
            reason = _missing_classes(seen, rows_seen, classes[t])
        else:
            reason = "NaN among its predictions"
        groups.setdefault(reason, []).append(names[t])
    found = [
        f"Cannot score {listed('target', group)} by {metric}: {reason}."
        for reason, group in groups.items()
    ]
    mean = "so is 'mean'" if np.isnan(scores).all() else "'mean' is over the other targets"
    return f"{' '.join(found)} The score is NaN, and {mean}."


def _missing_classes(seen: pd.Series, rows_seen: str, classes) -> str:
    found = seen.unique()
    if len(found) == 1:
        return (
            f"all {rows_seen}, are of the class {str(found[0])!r}, and it needs another to "
            "compare with"
        )
    missing = [label for label in classes if not (seen == label).any()]
    return f"none of the {rows_seen}, has the {listed('label', missing)}"
