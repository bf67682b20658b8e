"""What must have stayed the same for training to go on: warm_start and partial_fit."""

from __future__ import annotations

from collections.abc import Sequence

from .._network.heads import HeadKind
from .._network.network import Network
from .architecture import architecture_of


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
        raise ValueError(
            f"Training cannot go on: the network was fitted as {trained}, but the "
            f"parameters now ask for {asked}. Set them back, or call fit with "
            "warm_start=False."
        )
