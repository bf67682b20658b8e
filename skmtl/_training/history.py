"""The losses of a training, epoch by epoch."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from .._tables.targets import loss_weight_entries
from .length import pays
from .spec import EpochLosses, ProgramSpec, Settings


class LossHistory:
    """Losses of the calls so far."""

    def __init__(self, names: Sequence[str], spec: ProgramSpec, settings: Settings):
        self._names = names
        self._spec = spec
        self._validation = settings.n_validation > 0
        self._loss_weights = settings.loss_weights
        self._score_units = settings.score_units
        self._calls: list[EpochLosses] = []
        self.n_epochs = 0
        # Of networks that ended before others went on: the epochs until then.
        self.of_others: tuple[LossHistory, np.ndarray] | None = None

    def append(self, losses: EpochLosses) -> None:
        self._calls.append(losses)
        self.n_epochs += len(losses.train)

    def last(self) -> dict[str, float]:
        history = self._by_name(self._calls[-1:])
        return {name: values[-1] for name, values in history.items()}

    def copy(self) -> LossHistory:
        """With the same epochs, and room for others."""
        copied = copy.copy(self)
        copied._calls = list(self._calls)
        return copied

    def pays(self, best_epochs: np.ndarray) -> np.ndarray:
        """For which networks (N,) it is worth while to go on for longer."""
        losses = np.concatenate([call.validation for call in self._calls])
        networks = np.array(self._spec.architecture.networks)
        parts = [np.flatnonzero(networks == n) for n in range(len(best_epochs))]
        return np.array(
            [
                pays(
                    losses[:, own],
                    best,
                    [self._spec.losses[t] for t in own],
                    self._loss_weights[own],
                )
                for own, best in zip(parts, best_epochs, strict=True)
            ]
        )

    def by_name(self) -> dict[str, list[float]]:
        """One entry per epoch."""
        if self.of_others is None:
            return self._by_name(self._calls)
        other, networks = self.of_others
        calls, of_other = (
            EpochLosses(*(_joined(part) for part in zip(*calls, strict=True)))
            for calls in (self._calls, other._calls)
        )
        own = networks[list(self._spec.architecture.networks)]
        for table, of_them in zip(calls, of_other, strict=True):
            if table is not None:
                n = min(len(table), len(of_them))
                table[:n, own] = of_them[:n, own]
        return self._by_name([calls])

    def _by_name(self, calls):
        tables = EpochLosses(*(_joined(part) for part in zip(*calls, strict=True)))
        history = self._losses("", tables.train)
        if self._validation:
            history |= self._losses("val_", tables.validation)
        if self._validation and tables.scores is not None:
            history |= self._scores(tables.scores)
        if self._spec.balancing:
            keys = loss_weight_entries(self._names)
            history |= _by_key(keys, tables.loss_weights)
        return history

    def _losses(self, prefix, table):
        mean = (self._loss_weights * table).mean(axis=1)
        keys = [f"{prefix}loss_{name}" for name in self._names]
        return {f"{prefix}loss": mean.tolist()} | _by_key(keys, table)

    def _scores(self, table):
        defined = self._score_units.defined > 0
        weights = np.where(defined, self._loss_weights, 0.0)
        mean = np.full(len(table), np.nan)
        if weights.any():
            mean = np.average(np.where(defined, table, 0.0), axis=1, weights=weights)
        keys = [f"val_score_{name}" for name in self._names]
        own = _by_key(keys, np.where(defined, table, np.nan))
        return {"val_score": mean.tolist()} | own


def _joined(part: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Of some calls, one table in double precision, if there are any."""
    arrays = [table for table in part if table is not None]
    return np.concatenate(arrays).astype(np.float64) if arrays else None


def _by_key(keys: Sequence[str], table: np.ndarray) -> dict[str, list[float]]:
    return {key: column.tolist() for key, column in zip(keys, table.T, strict=True)}
