"""Everything that training needs to know besides the networks and the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from .._network.network import Network
from .losses import TaskLoss
from .optimizer import OptimizerChoice
from .rows import TableRows
from .scoring import ScoreUnits, TaskScore, score_units
from .spec import ProgramSpec, Settings

# Share of the categories that a step of training takes for unknown, at random: so the
# network knows what to do without them.
UNKNOWN_RATE = 0.05


@dataclass(frozen=True, eq=False)
class Plan:
    """How networks are to be trained; made of an estimator's parameters, which it replaces.

    What changes a compiled program becomes a `ProgramSpec`, the rest `Settings`.
    """

    target_names: Sequence[str]  # T of them
    one_dimensional: bool  # whether there is one target, without an axis
    losses: tuple[TaskLoss, ...]  # of each target
    scores: tuple[TaskScore, ...]  # likewise, that early stopping goes by; none: by losses
    stops_by_roots: bool  # whether it goes by roots of squared errors
    target_means: np.ndarray  # (T,)
    loss_weights: np.ndarray  # (T,), or preferences where they adapt
    balancing: str | None  # how they adapt, if they do
    optimizer: OptimizerChoice
    batch_size: int | str  # rows per step, or "auto"
    annealed: bool  # whether the learning rate falls to 0 over all epochs
    dropout: float
    freeze_trunk: bool
    epochs: int
    most_epochs: int  # that these may become
    max_seconds: float | None  # for all networks together
    patience: int  # epochs without a better validation loss
    refit: bool  # go on from the best epoch with all rows
    callbacks: Sequence[keras.callbacks.Callback]
    n_jobs: int | None
    verbose: int

    def program_spec(
        self, network: Network, n_train: int, n_validation: int
    ) -> ProgramSpec:
        """What a program for this network and so many rows is compiled for."""
        return ProgramSpec(
            network.architecture,
            self.losses,
            self.optimizer.config,
            batch_size=rows_per_step(self.batch_size, n_train),
            dropout=self.dropout > 0,
            balancing=self.balancing,
            freeze_trunk=self.freeze_trunk,
            with_columns=tuple(u.columns is not None for u in network.features.units),
            with_missing=tuple(u.if_missing is not None for u in network.features.units),
            scores=self.scores if n_validation else (),
            stops_by_roots=self.stops_by_roots and n_validation > 0,
        )

    def settings(
        self, network: Network, n_train: int, validation_rows: TableRows
    ) -> Settings:
        """What such a program takes besides the rows."""
        n_validation = len(validation_rows)
        return Settings(
            n_train=n_train,
            n_validation=n_validation,
            n_epochs=self.epochs,
            patience=np.full(
                network.architecture.n_networks,
                self.patience if n_validation else self.epochs,
            ),
            inputs=network.features.units,
            learning_rate=self.optimizer.learning_rate,
            weight_decay=self.optimizer.weight_decay,
            ema_momentum=self.optimizer.ema_momentum,
            ema_warm_up=self.optimizer.ema_warm_up,
            dropout=self.dropout,
            loss_weights=self.loss_weights,
            unknown=network.features.unknown.astype(np.float32),
            unknown_rate=UNKNOWN_RATE,
            annealed=float(self.annealed),
            score_units=self._score_units(validation_rows),
        )

    def _score_units(self, rows: TableRows) -> ScoreUnits | None:
        if not (self.scores and len(rows)):
            return None
        return score_units(self.scores, rows, self.target_means)


def rows_per_step(batch_size: int | str, n_rows: int) -> int:
    """The batch size that serves so many training rows."""
    if batch_size == "auto":
        return int(2 ** np.clip(np.ceil(np.log2(n_rows / 256)), 5, 10))
    # Beyond the rows there are only zeros to compute with. In powers of two, so that full
    # batches of a few rows more or less need no new program.
    return min(int(batch_size), 2 ** int(n_rows).bit_length())
