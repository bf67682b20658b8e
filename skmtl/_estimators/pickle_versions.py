"""Which skmtl a pickle was made by, told as scikit-learn tells it of its own estimators."""

from __future__ import annotations

import warnings
from importlib.metadata import version

from sklearn.exceptions import InconsistentVersionWarning

ENTRY = "_skmtl_version"


def with_version(state: dict) -> dict:
    return state | {ENTRY: version("skmtl")}


def without_version(state: dict, name: str) -> dict:
    """The state of an estimator of that class, with a warning if another version made it.

    What was pickled before versions were written says nothing, and loads silently.
    """
    made_by, here = state.get(ENTRY), version("skmtl")
    if made_by not in (None, here):
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name,
                current_sklearn_version=f"skmtl {here}",
                original_sklearn_version=f"skmtl {made_by}",
            ),
            stacklevel=3,
        )
    return {entry: value for entry, value in state.items() if entry != ENTRY}
