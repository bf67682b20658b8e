"""What "auto" means: a rule for each parameter, by the size of the table."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

MANY_ROWS = 5000  # from which on a table is trained on as a large one

N_BINS = 8  # per feature, and more where there are rows for them:
MORE_BINS = (32, 16)
MOST_BINS = 64  # of large tables, and half of them where time is what lacks:
ROWS_FOR_HALF = 100_000
ROWS_PER_BIN = 128
FEWEST_ROWS = 100  # for any bins
ROWS_PER_FEATURE = 4  # likewise

LARGEST_EMBEDDING = 16

# Of large tables: passes over 16 000 rows, and the fewest over any number of rows; how many
# times as many they may become, and for how many rows seen in all; steps of a pass, but for
# the smallest and the largest batches.
EPOCHS, FEWEST_EPOCHS = 60, 8
LONGER, MOST_ROWS_SEEN = 4, 32_000_000
STEPS_PER_EPOCH = 90
STEPS_AT_FULL_RATE = 200  # or so, in chunks of as many rows: then the learning rate falls

# Of a table for early stopping to look at, and the most rows.
HELD_OUT, MOST_HELD_OUT = 0.125, 20_000


class Course(NamedTuple):
    """How training goes."""

    learning_rate: float
    annealed: bool  # whether the learning rate falls to 0
    epochs: int
    most_epochs: int  # that these may become where it pays
    patience: int
    stops_by_roots: bool  # of squared errors, or else by these
    batch_size: int | str


def course_of(estimator, n_rows: int) -> Course:
    """How a fit to so many rows goes, by the parameters and the rules for the others."""
    many = n_rows >= MANY_ROWS

    def chosen(parameter: str, rule: Any) -> Any:
        return rule if _is_auto(estimator, parameter) else getattr(estimator, parameter)

    epochs = chosen("epochs", n_epochs(n_rows) if many else 400)
    goes_on = many and _is_auto(estimator, "epochs")
    return Course(
        learning_rate=chosen("learning_rate", 4e-3 if many else 1e-3),
        annealed=chosen("learning_rate_schedule", "cosine" if many else "constant")
        == "cosine",
        epochs=epochs,
        most_epochs=min(LONGER * epochs, MOST_ROWS_SEEN // n_rows) if goes_on else epochs,
        patience=chosen("n_iter_no_change", 15 if many else 40),
        stops_by_roots=many,
        batch_size=chosen("batch_size", batch_size_of_large(n_rows) if many else "auto"),
    )


def one_epoch_of(estimator, n_rows: int, n_steps: int, n_chunks: int) -> Course:
    """How a pass over a chunk of so many rows goes, after so many steps and chunks."""
    course = course_of(estimator, n_rows)._replace(epochs=1, most_epochs=1, annealed=False)
    share = _share_of_rate(estimator, n_rows, n_steps, n_chunks)
    return course._replace(learning_rate=course.learning_rate * share)


def _share_of_rate(estimator, n_rows: int, n_steps: int, n_chunks: int) -> float:
    """Of the learning rate, in chunks.

    Where nobody says how many are to come, and a schedule would fall to 0 in `fit`, it
    falls with the inverse square root of the steps.
    """
    schedule, n_planned = estimator.learning_rate_schedule, estimator.epochs
    if schedule == "cosine" and n_planned != "auto":
        if n_chunks >= n_planned and isinstance(estimator.optimizer, str):
            warnings.warn(
                f"This is call {n_chunks + 1} of partial_fit, while the learning rate fell "
                f"along a cosine over epochs={n_planned} calls: it stays where it is, next "
                "to 0. Set epochs to all the calls that there will be, or "
                'learning_rate_schedule to "auto" if that is not known.',
                ConvergenceWarning,
                stacklevel=7,  # the caller of partial_fit
            )
        done = (min(n_chunks, n_planned - 1) + 0.5) / n_planned
        return float(0.5 + 0.5 * np.cos(np.pi * done))
    if n_rows < MANY_ROWS or schedule == "constant":
        return 1.0
    return (1 + n_steps / STEPS_AT_FULL_RATE) ** -0.5


def chosen_for(estimator, n_rows: int, n_features: int) -> dict[str, Any]:
    """What "auto" is for a table of this size, by the names of the parameters."""
    course = course_of(estimator, n_rows)
    chosen = {
        "n_bins": automatic_bins(n_rows, n_features),
        "learning_rate": course.learning_rate,
        "learning_rate_schedule": "cosine" if course.annealed else "constant",
        "epochs": course.epochs,
        "n_iter_no_change": course.patience,
        "batch_size": course.batch_size,
    }
    return {name: rule for name, rule in chosen.items() if _is_auto(estimator, name)}


def _is_auto(estimator, parameter: str) -> bool:
    return getattr(estimator, parameter) == "auto"


def n_epochs(n_rows: int) -> int:
    """Passes over many rows: the more there are, the fewer."""
    return max(FEWEST_EPOCHS, round(EPOCHS * (16_000 / n_rows) ** 0.75))


def batch_size_of_large(n_rows: int) -> int:
    """Rows of a batch of a large table, a power of two."""
    return int(2 ** np.clip(np.round(np.log2(n_rows / STEPS_PER_EPOCH)), 6, 9))


def share_held_out(n_rows: int) -> float:
    """How much of a table is held out: more rows than some would not tell more."""
    return min(HELD_OUT, MOST_HELD_OUT / n_rows)


def automatic_bins(n_rows: int, n_features: int, of_chunk: bool = False) -> int:
    """Bins of each feature: none where weights for them could not be learnt.

    Of a table in large chunks time is what lacks, as of one of many rows.
    """
    if n_rows < max(FEWEST_ROWS, ROWS_PER_FEATURE * n_features):
        return 0
    affordable = n_rows // max(ROWS_PER_BIN, n_features)
    has_time = MANY_ROWS <= n_rows < ROWS_FOR_HALF and not of_chunk
    if has_time and affordable >= MOST_BINS // 2:
        return MOST_BINS
    return next((n_bins for n_bins in MORE_BINS if n_bins <= affordable), N_BINS)


def embedding_size(n_levels: np.ndarray) -> int:
    """Numbers for each level of features with so many levels, the same for all."""
    most = int(n_levels.max(initial=0)) + 1  # one is what is unknown
    return min(LARGEST_EMBEDDING, 1 << max(most // 2 - 1, 0).bit_length())
