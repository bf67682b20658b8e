"""``python -m benchmarks.space``: what the candidates of a random search cost.

The 25 that are drawn from `skmtl.model_selection.search_space` with ``random_state=0``, one
after the other, for a table of 1000 rows, 20 features and 3 smooth targets, in three folds:
CPU seconds of all threads, seconds, and the programs compiled. With ``--jobs 2``
folds are fitted in threads, which share compiled programs. Imports are not counted. It
takes minutes; ``--first`` and ``--last`` choose some of the candidates. With ``--halving``
as many are searched by scikit-learn's successive halving over epochs: 44, then 132 for the
best third, then 396, and a refit.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

import numpy as np
from joblib import parallel_config
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (to import it)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    ParameterSampler,
)

from ._report import circumstances, markdown_table

N_CANDIDATES, N_FOLDS = 25, 3
N_ROWS, N_FEATURES, N_TARGETS = 1000, 20, 3
SHOWN = ["sharing_depth", "trunk_sizes", "dropout", "activation", "n_bins"]


def table() -> tuple[np.ndarray, np.ndarray]:
    """Targets of which a trunk has something to share, and noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    H = np.tanh(X @ rng.normal(size=(N_FEATURES, 6)) / 2)
    noise = 0.3 * rng.normal(size=(N_ROWS, N_TARGETS))
    return X, H @ rng.normal(size=(6, N_TARGETS)) + noise


def _network():
    """What is searched, once TensorFlow has been imported."""
    from skmtl import MultiTaskRegressor
    from skmtl._training import PROGRAMS

    X, Y = table()
    MultiTaskRegressor(epochs=1, random_state=0).fit(X[:50], Y[:50])
    PROGRAMS.clear()
    return MultiTaskRegressor(random_state=0)


def timed(search, n_jobs: int) -> list[str]:
    """CPU seconds and seconds of a search; the programs that it compiled; its best R2."""
    from skmtl._training import PROGRAMS

    n_before = PROGRAMS.n_built
    cpu, wall = time.process_time(), time.perf_counter()
    with warnings.catch_warnings(), parallel_config("threading", n_jobs=n_jobs):
        warnings.simplefilter("ignore")
        search.fit(*table())
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    n_built = PROGRAMS.n_built - n_before
    return [f"{cpu:.1f}", f"{wall:.1f}", f"{n_built}", f"{search.best_score_:.3f}"]


def halving(n_jobs: int) -> list[list[str]]:
    """One row, of the best of all."""
    from skmtl.model_selection import search_space

    model = _network()
    search = HalvingRandomSearchCV(
        model,
        search_space(model),
        n_candidates=N_CANDIDATES,
        resource="epochs",
        min_resources=44,
        max_resources=400,
        cv=N_FOLDS,
        random_state=0,
    )
    figures = timed(search, n_jobs)
    return [["best", *figures, *(f"{search.best_params_[name]}" for name in SHOWN)]]


def costs(first: int, last: int, n_jobs: int) -> list[list[str]]:
    """A row for each candidate."""
    from skmtl.model_selection import search_space

    model, rows = _network(), []
    drawn = list(ParameterSampler(search_space(model), N_CANDIDATES, random_state=0))
    for number, candidate in enumerate(drawn[first:last], first):
        grid = {name: [value] for name, value in candidate.items()}
        search = GridSearchCV(model, grid, cv=N_FOLDS, refit=False)
        figures = timed(search, n_jobs)
        rows.append([f"{number}", *figures, *(f"{candidate[name]}" for name in SHOWN)])
        sys.stderr.write(f"{' '.join(rows[-1])}\n")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0, metavar="N")
    parser.add_argument("--last", type=int, default=N_CANDIDATES, metavar="N")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--halving", action="store_true", help="over epochs")
    arguments = parser.parse_args()
    header = ["candidate", "CPU s", "seconds", "programs", "R2", *SHOWN]
    where = circumstances()
    if arguments.halving:
        rows = halving(arguments.jobs)
    else:
        rows = costs(arguments.first, arguments.last, arguments.jobs)
    sys.stdout.write("\n".join([*where, "", *markdown_table(header, rows)]) + "\n")


if __name__ == "__main__":
    main()
