"""What must have stayed the same for training to go on: warm_start and partial_fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from .._network.heads import HeadKind
from .._network.network import Network
from .._tables.categorical_features import categorical_columns
from .._tables.containers import as_table
from .architecture import architecture_of

# Parameters by what an architecture calls them, if it is otherwise.
CALLED = {"hidden_sizes": "trunk_sizes + head_sizes", "groups": "target_groups"}


def check_same(estimator, members: Sequence[Network], kinds: tuple[HeadKind, ...]) -> None:
    """Training goes on only with networks such as the parameters ask for."""
    trained = members[0].architecture
    asked = architecture_of(estimator, members[0].features, kinds)
    if members[0].kinds != kinds:
        raise ValueError(
            "Training cannot go on: heads that were fitted with poisson, log_loss, "
            "normal or several quantiles do not predict what another loss asks for, "
            "and the other way round. Set loss back, or call fit with "
            "warm_start=False."
        )
    if len(members) != estimator.n_members:
        raise ValueError(
            f"Training cannot go on: {len(members)} members were fitted, but "
            f"n_members={estimator.n_members}. Set it back, or call fit with "
            "warm_start=False."
        )
    if trained != asked:
        changed = [
            f"{CALLED.get(name, name)}={getattr(asked, name)!r}, which was "
            f"{getattr(trained, name)!r} at the fit"
            for name in (field.name for field in dataclasses.fields(trained))
            if getattr(trained, name) != getattr(asked, name)
        ]
        raise ValueError(
            f"Training cannot go on with another network: {'; '.join(changed)}. Set it "
            "back, or call fit with warm_start=False."
        )


def check_same_categories(estimator, X) -> None:
    """Which features are categorical was decided by the first fit."""
    then = vars(estimator).get("_categorical_features", estimator.categorical_features)
    now = estimator.categorical_features
    if np.array_equal(np.asarray(then, dtype=object), np.asarray(now, dtype=object)):
        return
    asked = categorical_columns(now, as_table(X, "X"))
    if not np.array_equal(np.asarray(asked), np.asarray(estimator.is_categorical_)):
        raise ValueError(
            f"Training cannot go on: categorical_features was {then!r} at the fit, and is "
            f"{now!r} now. Set it back, or call fit with warm_start=False."
        )
