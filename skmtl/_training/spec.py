"""What a compiled program depends on, what it takes, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._network.architecture import Architecture
from .._network.units import Units
from .losses import TaskLoss
from .optimizer import OptimizerConfig
from .scoring import ScoreUnits, TaskScore


@dataclass(frozen=True)
class ProgramSpec:
    """What a compiled program depends on, besides its row capacities."""

    architecture: Architecture
    losses: tuple[TaskLoss, ...]
    optimizer_config: OptimizerConfig
    batch_size: int
    dropout: bool
    balancing: str | None = None  # how the weights of the targets adapt
    freeze_trunk: bool = False
    # Whether the inputs of the hidden layers, and those of the linear path, select columns.
    # If they do, `Units` has an array where it has None otherwise: another graph.
    with_columns: tuple[bool, bool] = (False, False)
    with_missing: tuple[bool, bool] = (False, False)  # likewise, for features that are NaN
    scores: tuple[TaskScore, ...] = ()  # what early stopping goes by, if not by the losses
    stops_by_roots: bool = False  # whether it goes by the roots of squared errors

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the network's weights, and of the log-variances if they are learnt."""
        learnt = [(self.architecture.n_targets,)] * self.learns_loss_weights
        return [*self.architecture.shapes.leaves(), *learnt]

    @property
    def users(self) -> list[np.ndarray | None]:
        """For each of these weights, which tasks use which entry of its first axis."""
        of_tasks = [np.eye(self.architecture.n_targets, dtype=bool)]
        return self.architecture.users + of_tasks * self.learns_loss_weights

    @property
    def learns_loss_weights(self) -> bool:
        """Whether log-variances are trained along with the network."""
        return self.balancing == "uncertainty"

    @property
    def n_frozen(self) -> int:
        """Number of weights, from the first, that training leaves alone."""
        if not (self.freeze_trunk and self.architecture.sharing_depth):
            return 0
        n_of_categories = 0 if self.architecture.shapes.embeddings is None else 2
        return n_of_categories + 2 * self.architecture.sharing_depth


class State(NamedTuple):
    """All that training changes: what a call of a program starts from, and ends with.

    Networks are the parts of an architecture without a common weight: each has a best epoch
    of its own, and stops on its own.
    """

    weights: list
    optimizer: list
    kept_weights: list  # of the best epoch, or the last without rows to validate on
    best_loss: np.ndarray  # (n_networks,) on the rows to validate on, or minus the score
    wait: np.ndarray  # (n_networks,) epochs since the best one
    n_epochs: np.ndarray  # (), run so far
    best_epochs: np.ndarray  # (n_networks,) numbers from 1 on, or 0 before there is one
    balance: list  # what balancing goes on from, (k, T), if anything


class Learnt(NamedTuple):
    """What a step of training changes."""

    weights: list
    optimizer: list  # the state of the optimizer
    balance: list  # as in `State`


class Rows(NamedTuple):
    """Features by `Inputs.read`, zero-filled scaled targets, cell weights (n, T)."""

    X: np.ndarray
    Y: np.ndarray
    W: np.ndarray


class Settings(NamedTuple):
    """Run-time values: changing them compiles nothing."""

    n_train: int
    n_validation: int
    n_epochs: int
    patience: np.ndarray  # (n_networks,), or epochs without rows to validate on
    inputs: tuple[Units, Units]
    learning_rate: float
    weight_decay: float
    ema_momentum: float
    ema_warm_up: float
    dropout: float
    loss_weights: np.ndarray  # (T,)
    # Row of each category (C,) for what is none of its levels, and the share of categories
    # that a step takes for it.
    unknown: np.ndarray = np.zeros(0)
    unknown_rate: float = 0.0
    annealed: float = 0.0  # 1 where the learning rate falls to 0 along a cosine, else 0
    all_epochs: int = 1  # over which it does
    score_units: ScoreUnits | None = None  # where there are scores


class EpochLosses(NamedTuple):
    """Per epoch and target (n_epochs, T): losses, mean loss weights, and scores if any."""

    train: np.ndarray
    validation: np.ndarray
    loss_weights: np.ndarray
    scores: np.ndarray | None = None
