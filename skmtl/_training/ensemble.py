"""Members of an ensemble: networks that are trained apart and predict together."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import zip_longest

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from .._network.network import Network
from .._runtime.cluster import on_a_cluster
from .._tables.table import Table
from .callbacks import EpochCallbacks
from .keras_model import build_keras_model
from .plan import Plan
from .rows import TableRows
from .train import DivergedError, train

History = dict[str, list[float]]

MOST_ROWS_TO_REFIT = 4096  # of more, those held out are not missed


def train_members(
    plan: Plan,
    networks: Sequence[Network],
    table: Table,
    parts: Sequence[tuple],
    seeds: Sequence[int],
    own_rows: Table | None = None,
) -> tuple[list[Network], History, np.ndarray, bool]:
    """Train the networks of an ensemble on a table.

    Each has rows to train on and to validate on (`parts`), and a seed. With ``own_rows``,
    all are validated on these. Returns the trained networks, the mean of their histories,
    for each target the best epoch of the network that it is part of (n_members, T), and
    whether time has cut any of them off.
    """
    for A in [table.X] if own_rows is None else [table.X, own_rows.X]:
        networks = [
            dataclasses.replace(network, features=network.features.for_rows(A))
            for network in networks
        ]
    # Threads share the compiled programs, while every process would compile its own: only
    # other machines are worth it. Callbacks are written for one training at a time.
    n_jobs = 1 if plan.callbacks else plan.n_jobs
    goes_out = len(networks) > 1 and not plan.callbacks and on_a_cluster()
    require = None if goes_out else "sharedmem"
    if plan.max_seconds is not None:
        at_a_time = min(effective_n_jobs(n_jobs), len(networks))
        each = plan.max_seconds * at_a_time / len(networks)
        plan = dataclasses.replace(plan, max_seconds=each)
    trained = Parallel(n_jobs=n_jobs, require=require)(
        delayed(_train)(plan, network, table, rows, seed, own_rows)
        for network, rows, seed in zip(networks, parts, seeds, strict=True)
    )
    members, first, second, best, cut_off = zip(*trained, strict=True)
    history = mean_history(first)
    refits = [more for more in second if more is not None]
    if refits:
        history = extended_history(history, len(history["loss"]), mean_history(refits))
    return list(members), history, np.array(best), any(cut_off)


def _train(
    plan: Plan,
    network: Network,
    table: Table,
    rows: tuple,
    seed: int,
    own_rows: Table | None,
) -> tuple[Network, History, History | None, np.ndarray, bool]:
    """A trained network; its history; that of going on with all rows; best epochs (T,);
    whether time has cut it off.

    The second history is None where training did not go on.
    """
    train_rows, validation_rows = (TableRows(network, table, part) for part in rows)
    if own_rows is not None:
        validation_rows = TableRows(network, own_rows, slice(None))
    spec = plan.program_spec(network, len(train_rows), len(validation_rows))
    settings = plan.settings(network, len(train_rows), validation_rows)
    callbacks = nullcontext()
    if plan.callbacks:
        model = build_keras_model(
            network, plan.dropout, one_dimensional=plan.one_dimensional
        )
        callbacks = EpochCallbacks(plan.callbacks, model, plan.optimizer, settings)
    options = {"names": plan.target_names, "verbose": plan.verbose}
    with callbacks as called:
        network, history, best, cut_off = train(
            spec,
            settings,
            network,
            train_rows,
            validation_rows,
            seed=seed,
            callbacks=called,
            most_epochs=plan.most_epochs,
            max_seconds=plan.max_seconds,
            **options,
        )
    more = None
    held_out = len(validation_rows) > 0 and own_rows is None
    refits = plan.refit and held_out and not plan.annealed
    if refits and not plan.callbacks and plan.max_seconds is None:
        # Where the best epoch came early, the network got worse with training almost from
        # the start. More of it would do no good.
        n_epochs = np.where(best > plan.patience // 2, best, 0)
        if n_epochs.any() and len(train_rows) + len(validation_rows) <= MOST_ROWS_TO_REFIT:
            both = np.union1d(train_rows.numbers, validation_rows.numbers)
            everything = TableRows(network, table, both)
            network, more = _go_on(
                spec, settings, network, everything, n_epochs, seed, options
            )
    best = best[list(network.architecture.networks)]
    return network, history, more, best, cut_off


def _go_on(
    spec, settings, network, everything, n_epochs, seed, options
) -> tuple[Network, History | None]:
    """The network after more epochs (n_networks,) with all rows, if they didn't diverge."""
    # The optimizer went on until the last of the networks stopped, so what it remembers of
    # one depends on the others.
    if len(n_epochs) > 1:
        network = dataclasses.replace(network, optimizer_state=None)
    nothing = TableRows(network, everything.table, slice(0))
    settings = settings._replace(
        n_train=len(everything),
        n_validation=0,
        n_epochs=n_epochs.max(),
        # Without rows to validate on no epoch counts as better, so a network stops after as
        # many epochs as it has patience.
        patience=n_epochs,
    )
    try:
        network, history, *_ = train(
            spec, settings, network, everything, nothing, seed=seed + 1, **options
        )
    except DivergedError as error:
        warnings.warn(
            "Going on with all rows, those held out as well, failed; the network of the "
            f"best epoch before is kept. {error} Or set refit=False.",
            ConvergenceWarning,
            stacklevel=2,
        )
        return network, None
    return network, history


def mean_history(histories: Sequence[History]) -> History:
    """For every epoch the mean over the members that ran it."""
    if len(histories) == 1:
        return histories[0]
    return {
        name: [
            float(np.mean([value for value in values if value is not None]))
            for values in zip_longest(*(history[name] for history in histories))
        ]
        for name in histories[0]
    }


def extended_history(history: History, n_epochs: int, new: History) -> History:
    """History of n_epochs and the new epochs after it; NaN where a name is missing."""
    n_new = len(new["loss"])
    return {
        name: history.get(name, [np.nan] * n_epochs) + new.get(name, [np.nan] * n_new)
        for name in {**new, **history}
    }
