"""Groups of rows, checked."""

from __future__ import annotations

import numpy as np
import pandas as pd


def as_groups(groups, n_rows: int) -> np.ndarray:
    """The group of each row (n,)."""
    groups = np.asarray(groups)
    if groups.shape != (n_rows,):
        raise ValueError(
            f"groups has the shape {groups.shape}, expected ({n_rows},): the group of each "
            "row of X."
        )
    missing = np.flatnonzero(pd.isna(groups))
    if len(missing):
        raise ValueError(
            f"groups is missing in {len(missing)} rows, such as row {missing[0]}: give "
            "each row a group, one of its own where it belongs to no other."
        )
    return groups
