"""How fast skmtl is beside what one would use without it.

::

    python -m benchmarks.speed                          all rows, into RESULTS.md
    python -m benchmarks.speed --quick                  a first impression, printed only
    python -m benchmarks.speed --only step dropout      some rows, printed only

Every row runs in a process of its own and measures both sides there in turns, several
times. The network is the same everywhere: 20 features, 3 tasks, hidden layers 64 and 64
shared and 32 per task, batches of 32, Adam, 1000 rows, no early stopping; skmtl's weight
decay, averaging and linear path are off, which the others have not. The row ``defaults``
says what they cost. All threads
that a library takes by default are left to it. Each ratio is the median over the
repeats, with the lowest and the highest beside it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from joblib import parallel_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold

# A process that a row starts imports this module, so both sides are imported, and paid
# for, before it looks at a clock.
from skmtl._estimators.classifier import MultiTaskClassifier
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._tables.stacking import stack_tasks
from skmtl._training.program import Program

from ._clocks import (
    duration,
    in_fresh_process,
    interleaved,
    resident_megabytes,
    seconds,
    time_call,
    time_epoch,
)
from ._report import circumstances, markdown_table, write_section
from ._rivals import (
    BATCH_SIZE,
    HEAD_SIZES,
    LEARNING_RATE,
    TRUNK_SIZES,
    fit_by_hand,
    hand_written,
    mlp_regressor,
    scikeras_regressor,
)

RESULTS = Path(__file__).with_name("RESULTS.md")

N_ROWS, N_FEATURES, N_TASKS, N_CLASSES = 1000, 20, 3, 4
PLAIN = {"weight_decay": 0.0, "ema_momentum": 0.0, "linear_path": False, "n_bins": 0}
STEPS_PER_EPOCH = -(-N_ROWS // BATCH_SIZE)
WARM_UP_FITS = 10  # before memory is looked at: allocators and caches fill up


@dataclass(frozen=True)
class Effort:
    """How much work a run of the benchmark does."""

    repeats: int
    search_repeats: int  # of the grid search
    epochs: int  # of a fit
    long_epochs: int  # of the fit that, less one of `epochs`, gives the time of a step
    calls: int  # of predict, in each repeat
    memory_fits: int


FULL = Effort(
    repeats=5, search_repeats=1, epochs=100, long_epochs=400, calls=100, memory_fits=200
)
QUICK = Effort(
    repeats=2, search_repeats=1, epochs=10, long_epochs=60, calls=15, memory_fits=20
)


@dataclass(frozen=True)
class Row:
    """A line of the table: a figure, what it should be, and whether it is."""

    ours: str
    rival: str
    figure: str
    target: str
    met: bool


# --- the rows -------------------------------------------------------------------------


def warm_fit(effort: Effort) -> Row:
    """Fit in a process that has fitted such a network before, against the same network
    written by hand in Keras: built, compiled and fitted."""
    sides = [partial(fit, effort.epochs) for fit in (time_fit, time_fit_by_hand)]
    for warm_up in sides:
        warm_up()
    return speedup(interleaved(sides, effort.repeats), at_least=50)


def first_fit(effort: Effort) -> Row:
    """First fit in a fresh process, imports not counted, against the same network written
    by hand in Keras."""
    sides = [
        partial(in_fresh_process, fit, effort.epochs)
        for fit in (time_fit, time_fit_by_hand)
    ]
    return speedup(interleaved(sides, effort.repeats), at_least=5)


def warm_fit_classes(effort: Effort) -> Row:
    """As warm_fit, of a classifier: 3 targets of 4 classes against 3 softmax outputs."""
    sides = [partial(fit, effort.epochs) for fit in (time_classes, time_classes_by_hand)]
    for warm_up in sides:
        warm_up()
    return speedup(interleaved(sides, effort.repeats), at_least=40)


def first_fit_classes(effort: Effort) -> Row:
    """As first_fit, of a classifier: 3 targets of 4 classes."""
    sides = [
        partial(in_fresh_process, fit, effort.epochs)
        for fit in (time_classes, time_classes_by_hand)
    ]
    return speedup(interleaved(sides, effort.repeats), at_least=5)


def grid_search(effort: Effort) -> Row:
    """GridSearchCV over 4 sharing depths and 5 folds with n_jobs=1 in a fresh process,
    imports not counted, against scikeras' KerasRegressor around the same networks."""
    sides = [
        partial(in_fresh_process, time_search, estimator, effort.epochs)
        for estimator in (regressor, scikeras_regressor)
    ]
    return speedup(interleaved(sides, effort.search_repeats), at_least=25)


def search_threads(effort: Effort) -> Row:
    """The same search of skmtl's in a fresh process with 2 threads, against n_jobs=1."""
    sides = [
        partial(in_fresh_process, time_search, regressor, effort.epochs, n_jobs)
        for n_jobs in (2, 1)
    ]
    return speedup(interleaved(sides, 3 * effort.search_repeats), at_least=1)


def search_mlp(effort: Effort) -> Row:
    """The same search in a fresh process, against a search of as many fits of
    scikit-learn's MLPRegressor with as many weights, at four random states."""
    sides = [
        partial(in_fresh_process, search, effort.epochs)
        for search in (partial(time_search, regressor), time_mlp_search)
    ]
    return speedup(interleaved(sides, 3 * effort.search_repeats), at_least=1)


def compilation(effort: Effort) -> Row:
    """First fit of an architecture in a fresh process less a second one: tracing in Python,
    and compilation by XLA."""
    times = [
        in_fresh_process(time_compilation, effort.epochs) for _ in range(effort.repeats)
    ]
    total, trace = np.median(times, axis=0)
    return Row(
        ours=f"{duration(trace)} trace, {duration(total - trace)} compile and the rest",
        rival="",
        figure=f"{duration(total)} ({duration(np.min(times, axis=0)[0])} to "
        f"{duration(np.max(times, axis=0)[0])})",
        target="under 1 s",
        met=total < 1,
    )


def defaults(effort: Effort) -> Row:
    """One optimiser step with the estimator's defaults (weight decay, averaging, linear
    path, bins), against the plain network."""
    return cost_of(
        effort,
        at_most=1.5,
        weight_decay=0.5,
        ema_momentum=0.99,
        linear_path=True,
        n_bins="auto",
    )


def step(effort: Effort) -> Row:
    """One optimiser step (a long fit less a short one), against scikit-learn's MLPRegressor
    with as many weights."""
    X, Y = table()
    sides = [
        partial(time_step, fit, effort)
        for fit in (
            lambda epochs: regressor(epochs).fit(X, Y),
            lambda epochs: fit_mlp(epochs, X, Y),
        )
    ]
    regressor(epochs=1).fit(X, Y)  # compiles
    return speedup(interleaved(sides, effort.repeats), at_least=4)


def tasks100(effort: Effort) -> Row:
    """One warm epoch (a fit less a shorter one) with 100 tasks, against the same network
    written by hand in Keras, with 100 outputs."""
    X, Y = table(n_tasks=100)
    model = hand_written(N_FEATURES, n_tasks=100)
    sides = [
        # A Keras epoch takes over a second: few of them stand out from the noise.
        partial(time_epoch, lambda epochs: regressor(epochs).fit(X, Y), (1, 16)),
        partial(time_epoch, lambda epochs: fit_by_hand(model, X, Y, epochs), (1, 3)),
    ]
    regressor(epochs=1).fit(X, Y)  # compiles
    fit_by_hand(model, X, Y, epochs=1)  # traces
    return speedup(interleaved(sides, effort.repeats), at_least=50)


def tasks300(effort: Effort) -> Row:
    """Start to end of 10 epochs with 300 tasks in a fresh process, against the same network
    written by hand in Keras: its first epoch and what is before it, and 9 times its second
    (one repeat)."""
    sides = [partial(in_fresh_process, time_) for time_ in (time_fit_300, time_300_by_hand)]
    return speedup(interleaved(sides, repeats=1), at_least=100)


def predict_one(effort: Effort) -> Row:
    """Predict one row (median of many calls), against Model.predict of the same network
    written by hand in Keras, and against MLPRegressor.predict."""
    X, Y = table()
    model = hand_written(N_FEATURES, N_TASKS)
    fit_by_hand(model, X, Y, epochs=1)
    calls = (
        partial(regressor(epochs=1).fit(X, Y).predict, X[:1]),
        partial(model.predict, X[:1], verbose=0),
        partial(fit_mlp(1, X, Y).predict, X[:1]),
    )
    sides = [partial(time_call, call, effort.calls) for call in calls]
    for warm_up in calls:
        warm_up()
    times = interleaved(sides, effort.repeats)
    ours, rival, mlp = np.median(times, axis=0)
    row = speedup(times[:, :2], at_least=300)
    return Row(
        ours=row.ours,
        rival=f"{duration(rival)} (MLPRegressor {duration(mlp)})",
        figure=row.figure,
        target=f"{row.target}, under 0.2 ms and not slower than MLPRegressor",
        met=row.met and ours < 0.2e-3 and ours <= mlp,
    )


def predict_many(effort: Effort) -> Row:
    """Predict 1 000 000 rows, against MLPRegressor.predict; the memory is what skmtl's
    takes beside X at its peak."""
    X, Y = table()
    many = np.random.default_rng(0).normal(size=(1_000_000, N_FEATURES))
    models = regressor(epochs=1).fit(X, Y), fit_mlp(1, X, Y)
    before = resident_megabytes()
    models[0].predict(many)
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 - before
    calls = [partial(model.predict, many) for model in models]
    row = speedup(interleaved([partial(seconds, c) for c in calls], effort.repeats), 1)
    return Row(
        ours=f"{row.ours}, {extra:.0f} MB",
        rival=f"{row.rival} (MLPRegressor)",
        figure=row.figure,
        target=f"{row.target} and under 500 MB",
        met=row.met and extra < 500,
    )


def memory(effort: Effort) -> Row:
    """Growth of resident memory over many fits of one architecture, with other seeds and a
    row more or less, after 10 fits to warm up."""
    X, Y = table()
    resident = []
    for seed in range(WARM_UP_FITS + effort.memory_fits):
        rows = slice(N_ROWS - seed % 2)
        regressor(effort.epochs, random_state=seed).fit(X[rows], Y[rows])
        resident.append(resident_megabytes())
    growth = resident[-1] - resident[WARM_UP_FITS - 1]
    return Row(
        ours=f"{growth:.1f} MB in {effort.memory_fits} fits",
        rival="",
        figure=f"{growth:.1f} MB",
        target="under 30 MB",
        met=growth < 30,
    )


def dropout(effort: Effort) -> Row:
    """One optimiser step with dropout 0.2, against one without."""
    return cost_of(effort, at_most=2, dropout=0.2)


def mixed_losses(effort: Effort) -> Row:
    """One optimiser step with another loss for every target, against one with the squared
    error for all."""
    losses = ["huber", "absolute_error", ("quantile", 0.9)]
    return cost_of(effort, at_most=1.3, loss=losses)


def uncertainty(effort: Effort) -> Row:
    """One optimiser step with learnt loss weights, against one with equal weights."""
    return cost_of(effort, at_most=1.3, loss_weights="uncertainty")


def frozen_trunk(effort: Effort) -> Row:
    """One optimiser step with a frozen trunk, against one that trains it too."""
    with warnings.catch_warnings():
        # That nothing has trained the trunk does not matter here.
        warnings.simplefilter("ignore", UserWarning)
        return cost_of(effort, at_most=1, freeze_trunk=True)


def stacked(effort: Effort) -> Row:
    """Fit to three tasks of 333 rows each by stack_tasks, against a fit to 999 rows with
    all targets observed."""
    X, Y = table()
    parts = [(X[t::3][:333], Y[t::3, t][:333]) for t in range(N_TASKS)]
    tables = stack_tasks(parts), (X[:999], Y[:999])
    fits = [partial(regressor(effort.epochs).fit, *one) for one in tables]
    for warm_up in fits:
        warm_up()
    times = interleaved([partial(seconds, fit) for fit in fits], effort.repeats)
    return cost(times, "1 x 999 rows", at_most=1.05)


ROWS = {
    row.__name__: row
    for row in (
        warm_fit,
        first_fit,
        warm_fit_classes,
        first_fit_classes,
        grid_search,
        search_threads,
        search_mlp,
        compilation,
        step,
        defaults,
        tasks100,
        tasks300,
        predict_one,
        predict_many,
        memory,
        dropout,
        mixed_losses,
        uncertainty,
        frozen_trunk,
        stacked,
    )
}


# --- both sides -----------------------------------------------------------------------


def table(n_tasks: int = N_TASKS) -> tuple[np.ndarray, np.ndarray]:
    """Standardised features (n, d) and targets (n, T) that a network can learn."""
    rng = np.random.default_rng(0)
    X = standardised(rng.normal(size=(N_ROWS, N_FEATURES)))
    shared = np.tanh(X @ rng.normal(size=(N_FEATURES, 8)))
    Y = shared @ rng.normal(size=(8, n_tasks)) + rng.normal(size=(N_ROWS, n_tasks))
    return X, standardised(Y)


def cost_of(effort: Effort, at_most: float, **params) -> Row:
    """One optimiser step with these parameters, against one with their defaults."""
    X, Y = table()
    variants = (params, {})
    for variant in variants:
        regressor(epochs=1, **variant).fit(X, Y)  # compiles
    sides = [
        partial(time_step, lambda epochs, v=v: regressor(epochs, **v).fit(X, Y), effort)
        for v in variants
    ]
    return cost(interleaved(sides, effort.repeats), "plain skmtl", at_most)


def standardised(A: np.ndarray) -> np.ndarray:
    return (A - A.mean(axis=0)) / A.std(axis=0)


def regressor(epochs: int, **params) -> MultiTaskRegressor:
    return MultiTaskRegressor(**network(epochs), **(PLAIN | params))


def network(epochs: int) -> dict:
    return {
        "trunk_sizes": TRUNK_SIZES,
        "head_sizes": HEAD_SIZES,
        "learning_rate": LEARNING_RATE,
        "epochs": epochs,
        "batch_size": BATCH_SIZE,
        "early_stopping": False,
    }


def fit_mlp(epochs: int, X, Y):
    with warnings.catch_warnings():
        # That max_iter was reached is what is asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mlp_regressor(epochs).fit(X, Y)


def time_step(fit: Callable[[int], object], effort: Effort) -> float:
    return time_epoch(fit, (effort.epochs, effort.long_epochs)) / STEPS_PER_EPOCH


def time_fit(epochs: int) -> float:
    return seconds(regressor(epochs).fit, *table())


def time_fit_by_hand(epochs: int) -> float:
    X, Y = table()
    return seconds(lambda: fit_by_hand(hand_written(N_FEATURES, N_TASKS), X, Y, epochs))


def table_of_classes() -> tuple[np.ndarray, np.ndarray]:
    """Features, and the quarter (0 to 3) that each target is in."""
    X, Y = table()
    return X, (Y.argsort(axis=0).argsort(axis=0) * N_CLASSES) // N_ROWS


def time_classes(epochs: int) -> float:
    classifier = MultiTaskClassifier(**network(epochs), **PLAIN)
    return seconds(classifier.fit, *table_of_classes())


def time_classes_by_hand(epochs: int) -> float:
    X, Y = table_of_classes()
    return seconds(
        lambda: fit_by_hand(hand_written(N_FEATURES, N_TASKS, N_CLASSES), X, Y, epochs)
    )


def time_fit_300() -> float:
    return seconds(regressor(epochs=10).fit, *table(n_tasks=300))


def time_300_by_hand() -> float:
    X, Y = table(n_tasks=300)
    models = []

    def first_epoch():
        models.append(hand_written(N_FEATURES, n_tasks=300))
        fit_by_hand(models[0], X, Y, epochs=1)

    return seconds(first_epoch) + 9 * seconds(fit_by_hand, models[0], X, Y, 1)


def time_compilation(epochs: int) -> tuple[float, float]:
    """Seconds that a first fit takes more than a second one, and those of tracing."""
    traced = []
    trace = Program.trace

    def timed_trace(*arguments):
        traced.append(seconds(trace, *arguments))

    with mock.patch.object(Program, "trace", timed_trace):
        first = time_fit(epochs)
    return first - time_fit(epochs), sum(traced)


def time_mlp_search(epochs: int) -> float:
    search = GridSearchCV(
        mlp_regressor(epochs), {"random_state": [0, 1, 2, 3]}, cv=KFold(5), n_jobs=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return seconds(search.fit, *table())


def time_search(estimator: Callable, epochs: int, n_jobs: int = 1) -> float:
    depths = range(len(TRUNK_SIZES + HEAD_SIZES) + 1)
    search = GridSearchCV(
        estimator(epochs),
        {"sharing_depth": list(depths)},
        cv=KFold(5),
        n_jobs=n_jobs,
        error_score="raise",  # a fit that fails would count as a quick one
    )
    with parallel_config("threading"):
        return seconds(search.fit, *table())


# --- the table ------------------------------------------------------------------------


def speedup(times: np.ndarray, at_least: float) -> Row:
    """From times (repeats, 2) of skmtl and its rival: how many times quicker it is."""
    ratios = times[:, 1] / times[:, 0]
    ours, rival = np.median(times, axis=0)
    return Row(
        ours=duration(ours),
        rival=duration(rival),
        figure=spread(ratios),
        target=f"at least {at_least:g}x",
        met=bool(np.median(ratios) >= at_least),
    )


def cost(times: np.ndarray, rival: str, at_most: float) -> Row:
    """From times (repeats, 2) of one thing and a plainer one: how much slower it is."""
    ratios = times[:, 0] / times[:, 1]
    ours, plain = np.median(times, axis=0)
    return Row(
        ours=duration(ours),
        rival=f"{duration(plain)} ({rival})",
        figure=spread(ratios),
        target=f"at most {at_most:g}x",
        met=bool(np.median(ratios) <= at_most),
    )


def spread(ratios: np.ndarray) -> str:
    return f"{np.median(ratios):.3g}x ({ratios.min():.3g} to {ratios.max():.3g})"


def cells(name: str, row: Row) -> list[str]:
    met = "met" if row.met else "**not met**"
    return [name, row.ours, row.rival, row.figure, row.target, met]


def section(effort: Effort, where: list[str], rows: dict[str, Row]) -> list[str]:
    header = ["row", "skmtl", "rival", "figure (lowest to highest)", "target", ""]
    work = ", ".join(f"{name} {n}" for name, n in asdict(effort).items())
    caveat = ["", "A quick run: the targets are meant for a full one."] * (effort != FULL)
    legend = [f"- {name}: {' '.join(ROWS[name].__doc__.split())}" for name in rows]
    return [
        "## Speed",
        "",
        *where,
        f"- work: {work.replace('_', ' ')}",
        *caveat,
        "",
        *markdown_table(header, [cells(name, row) for name, row in rows.items()]),
        "",
        *legend,
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description="skmtl beside its rivals."
    )
    parser.add_argument("--quick", action="store_true", help="little work, rough figures")
    parser.add_argument(
        "--only", nargs="+", choices=ROWS, metavar="NAME", help=f"of {', '.join(ROWS)}"
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="where to write the table (default: RESULTS.md beside this file for a full "
        "run of all rows, nowhere otherwise)",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    effort = QUICK if arguments.quick else FULL
    where = circumstances()
    rows = {}
    for name in arguments.only or ROWS:
        sys.stderr.write(f"{name} ... ")
        started = time.perf_counter()
        rows[name] = in_fresh_process(ROWS[name], effort)
        sys.stderr.write(f"{rows[name].figure} in {time.perf_counter() - started:.0f} s\n")
    lines = section(effort, where, rows)
    sys.stdout.write("\n".join([*lines, ""]))
    path = arguments.results
    if path is None and effort == FULL and arguments.only is None:
        path = RESULTS
    if path is not None:
        write_section(path, "speed", lines)


if __name__ == "__main__":
    main()
