"""Members of an ensemble: networks that are trained apart and predict together."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import zip_longest

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from . import _parameters
from ._network import Network

History = dict[str, list[float]]

MOST_ROWS_TO_REFIT = 4096  # of more, those held out are not missed


def train_members(
    estimator,
    table: tuple[np.ndarray, np.ndarray, np.ndarray],
    parts: Sequence[tuple],
    seeds: Sequence[int],
    epochs: int,
) -> tuple[list[Network], History, np.ndarray]:
    """The estimator's members, trained on this table, and their mean history.

    And the best epoch (n_members, T) of the network that each target is part of.

    Each has rows to train on and to validate on (`parts`), and a seed. In threads, which
    share the compiled programs; one by one with callbacks, which are made for that.
    """
    n_jobs = 1 if estimator.callbacks else estimator.n_jobs
    trained = Parallel(n_jobs=n_jobs, require="sharedmem")(
        delayed(_train)(estimator, member, table, rows, seed, epochs)
        for member, rows, seed in zip(estimator._members, parts, seeds, strict=True)
    )
    members, first, second, best = zip(*trained, strict=True)
    history = mean_history(first)
    refits = [more for more in second if more is not None]
    if refits:
        history = extended_history(history, len(history["loss"]), mean_history(refits))
    return list(members), history, np.array(best)


def _train(
    estimator, network, table, rows, seed, epochs
) -> tuple[Network, History, History | None, np.ndarray]:
    """A trained member, its history, and that of going on with all rows if it did.

    And the best epoch of each target (T,).
    """
    from . import _training

    train, validation = (_training.TableRows(network, table, part) for part in rows)
    spec, settings, optimizer = _parameters.training(
        estimator, network, len(train), len(validation), epochs
    )
    callbacks = nullcontext()
    if estimator.callbacks:
        model = _training.build_keras_model(
            network, estimator.dropout, one_dimensional=estimator._one_dimensional
        )
        callbacks = _training.EpochCallbacks(
            estimator.callbacks, model, optimizer, settings
        )
    options = {"names": estimator.target_names_, "verbose": estimator.verbose}
    with callbacks as called:
        network, history, best = _training.train(
            spec,
            settings,
            network,
            train,
            validation,
            seed=seed,
            callbacks=called,
            **options,
        )
    more = None
    refit = estimator.refit
    if refit == "auto":
        refit = not any(link.grows_too_sure for link in network.links)
    if refit and len(validation) and not estimator.callbacks:
        n_epochs = np.where(best > estimator.n_iter_no_change // 2, best, 0)
        if n_epochs.any() and len(table[0]) <= MOST_ROWS_TO_REFIT:
            network, more = _go_on(spec, settings, network, table, n_epochs, seed, options)
    return network, history, more, best[list(network.architecture.networks)]


def _go_on(
    spec, settings, network, table, n_epochs, seed, options
) -> tuple[Network, History | None]:
    """The network after more epochs (n_networks,) with all rows, if they didn't diverge."""
    from . import _training

    if len(n_epochs) > 1:
        # Its optimizer went on until the last of the networks stopped: what it remembers of
        # one depends on the others.
        network = dataclasses.replace(network, optimizer_state=None)
    everything = _training.TableRows(network, table, slice(None))
    nothing = _training.TableRows(network, table, slice(0))
    settings = settings._replace(
        n_train=len(everything),
        n_validation=0,
        n_epochs=n_epochs.max(),
        patience=n_epochs,
    )
    try:
        network, history, _ = _training.train(
            spec, settings, network, everything, nothing, seed=seed + 1, **options
        )
    except _training.DivergedError as error:
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
