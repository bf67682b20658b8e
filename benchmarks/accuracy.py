"""How well skmtl predicts as it comes, beside what one would use without it.

::

    python -m benchmarks.accuracy                                the bundled tables
    python -m benchmarks.accuracy --data DIR                     those of a folder
    python -m benchmarks.accuracy --models skmtl ridge --folds 2 some models, printed only
    python -m benchmarks.accuracy --data DIR --peers errors.csv --peer-seconds seconds.csv

DIR holds tables ``NAME.csv.gz`` and a ``datasets.json`` that names the targets of each.
The error is the average relative RMSE (aRRMSE) of each fold, averaged over
KFold(5, shuffle=True, random_state=0). The training rows of a fold say how nominal
features are one-hot encoded and what missing ones become: their column's mean. Nothing is
tuned, neither for a table nor for all.

``--peers`` reads errors that were measured before with the same protocol: a column ``d``
with the table's name and a column per model. Then only models that the file lacks are run,
unless ``--models`` says otherwise. ``--peer-seconds`` reads CPU seconds of a fit alike.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from skmtl._training import PROGRAMS

from ._peers import MODELS, Model
from ._report import circumstances, markdown_table, write_section
from ._tables import Table, average_relative_rmse, folds, read_tables

RESULTS = Path(__file__).with_name("RESULTS.md")
N_FOLDS = 5
DEFAULT_DEPTH = "skmtl"  # compared with other sharing depths


class Measured(NamedTuple):
    """Figures, one row per table and one column per model; NaN where there is none."""

    errors: pd.DataFrame
    cpu_seconds: pd.DataFrame
    wall_seconds: pd.DataFrame


# --- measuring ------------------------------------------------------------------------


def measure(models: Sequence[Model], tables: Sequence[Table], n_folds: int) -> Measured:
    shape = {
        "index": [table.name for table in tables],
        "columns": [model.label for model in models],
        "dtype": float,
    }
    measured = Measured(*(pd.DataFrame(**shape) for _ in Measured._fields))
    for table in tables:
        for model in models:
            figures = cross_validated(model, table, n_folds)
            for frame, figure in zip(measured, figures, strict=True):
                frame.loc[table.name, model.label] = figure
            error, cpu, _ = figures
            sys.stderr.write(f"{table.name} {model.label}: {error:.4f}, {cpu:.2f} s\n")
    return measured


def cross_validated(model: Model, table: Table, n_folds: int) -> np.ndarray:
    """Error, CPU and wall seconds of a fit: means over the folds.

    What a model compiles is part of its time: it finds nothing that another left behind.
    """
    PROGRAMS.clear()
    return np.mean([one_fold(model, fold) for fold in folds(table, n_folds)], axis=0)


def one_fold(model: Model, fold) -> tuple[float, float, float]:
    regressor = model.make()
    gc.collect()
    with warnings.catch_warnings():
        # A peer that ran out of iterations is taken as it is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        cpu, wall = time.process_time(), time.perf_counter()
        regressor.fit(fold.X_train, fold.Y_train)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    predicted = regressor.predict(fold.X_test)
    return average_relative_rmse(fold.Y_test, predicted, fold.Y_train), cpu, wall


def measured_before(path: Path | None, tables: Sequence[Table]) -> pd.DataFrame:
    """Figures of a file for these tables; models without any are left out."""
    names = [table.name for table in tables]
    if path is None:
        return pd.DataFrame(index=names)
    figures = pd.read_csv(path, index_col="d")
    return figures.reindex(names).dropna(axis="columns", how="all")


def with_peers(measured: Measured, errors: pd.DataFrame, seconds: pd.DataFrame) -> Measured:
    """With the figures measured before of those models that were not run."""
    errors = errors.drop(columns=measured.errors, errors="ignore")
    seconds = seconds[[label for label in seconds if label in errors]]
    return measured._replace(
        errors=measured.errors.join(errors),
        cpu_seconds=measured.cpu_seconds.join(seconds),
    )


# --- comparing ------------------------------------------------------------------------


def mean_ranks(errors: pd.DataFrame) -> pd.Series:
    """Mean over tables of each model's rank, 1 for the best.

    Equal errors share the mean of their ranks. A table ranks the models that it has.
    """
    return errors.rank(axis="columns").mean()


def labels(kind: str, among: pd.DataFrame) -> list[str]:
    """Models of this kind; figures of a file that no model here goes by are "other"."""
    kinds = {model.label: model.kind for model in MODELS.values()}
    return [label for label in among if kinds.get(label, "other") == kind]


def own_columns(frame: pd.DataFrame, total, every: pd.DataFrame) -> dict[str, pd.Series]:
    """What skmtl's models have, each on just the tables that a model has."""
    return {
        f"{own} there": pd.Series(
            {label: total(every[own][frame[label].notna()]) for label in frame}
        )
        for own in labels("own", every)
    }


def comparison(errors: pd.DataFrame) -> pd.DataFrame:
    """Means and mean ranks; each of skmtl's own models is ranked without the other."""
    own, neural = labels("own", errors), labels("neural", errors)
    fields = {"neural": neural, "all": neural + labels("other", errors)}
    shown = errors[own + fields["all"]]
    columns = {
        "tables": shown.notna().sum(),
        "mean": shown.mean(),
        **own_columns(shown, np.mean, errors),
    }
    for field, peers in fields.items():
        for label in own:
            columns[f"rank, {field}, with {label}"] = mean_ranks(errors[[label, *peers]])
    return pd.DataFrame(columns).reindex(shown.columns)


def sharing(errors: pd.DataFrame) -> pd.DataFrame:
    """How much to share: means and mean ranks of skmtl's sharing depths alone."""
    depths = [label for label in [DEFAULT_DEPTH] if label in errors]
    shown = errors[depths + labels("sharing", errors)]
    return pd.DataFrame({"mean": shown.mean(), "rank among these": mean_ranks(shown)})


def fit_times(measured: Measured) -> pd.DataFrame:
    cpu = measured.cpu_seconds
    return pd.DataFrame(
        {
            "tables": cpu.notna().sum(),
            "CPU s": cpu.sum(),
            **own_columns(cpu, np.sum, cpu),
            "wall s": measured.wall_seconds.sum(),
        }
    ).reindex(cpu.columns)


# --- the report -----------------------------------------------------------------------


BESIDE_PEERS = """\
Beside the peers. "X there": the mean of X on the tables that the model has. Ranks are
means over tables, 1 the best: among the neural peers, and among all, with one of skmtl's
models."""

FIT_TIMES = """\
Seconds of a fit (mean over folds), summed over tables: CPU time of the process in all its
threads, compilation included. "X there": X on the tables that the model has."""


def section(
    name: str, measured: Measured, before: pd.DataFrame, notes: Sequence[str]
) -> list[str]:
    errors = measured.errors
    run_here = set(measured.wall_seconds)
    common = errors.dropna()
    tables = errors.T
    tables.insert(0, f"mean of the {len(common)} that all have", common.mean())
    tables.insert(0, "mean", errors.mean())
    parts = {
        "Errors (aRRMSE; 1 is as good as the mean of the training rows):": (tables, 4),
        BESIDE_PEERS: (comparison(errors), 3),
        "How much to share:": (sharing(errors), 4),
        FIT_TIMES: (fit_times(measured), 2),
    }
    title = name.replace("_", " ").capitalize()
    lines = [f"## {title}", "", *notes, *agreement(errors, before, run_here)]
    for text, (frame, digits) in parts.items():
        if len(frame):
            lines += ["", text, "", *as_markdown(frame, run_here, digits)]
    return [*lines, "", f"![Errors and mean ranks]({name}.png)"]


def as_markdown(frame: pd.DataFrame, run_here: set[str], digits: int) -> list[str]:
    """A row per model, the best mean or the shortest time first."""
    frame = frame.sort_values("mean" if "mean" in frame else "CPU s")
    rows = [
        [marked(label, run_here), *(cell(value, digits) for value in row)]
        for label, *row in frame.itertuples(name=None)
    ]
    return markdown_table(["model", *frame.columns], rows)


def marked(label: str, run_here: set[str]) -> str:
    return label if label in run_here else f"{label} \\*"


def cell(value: float, digits: int) -> str:
    if isinstance(value, int):
        return str(value)
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def agreement(errors, before, run_here: set[str]) -> list[str]:
    """How near the figures measured before are to the same models' here."""
    both = [label for label in before if label in run_here]
    if not both:
        return []
    gaps = (errors[both] - before[both]).abs().max()
    gaps = ", ".join(f"{label} {gap:.4f}" for label, gap in gaps.items())
    return [f"- run here and measured before, largest difference of a table: {gaps}"]


def draw(errors: pd.DataFrame, run_here: set[str], path: Path) -> None:
    """Every model's error on every table, relative to the best there, and its mean rank."""
    from matplotlib.figure import Figure

    errors = errors.drop(columns=labels("sharing", errors))
    ranks = mean_ranks(errors).sort_values(ascending=False)
    relative = errors.div(errors.min(axis="columns"), axis="index")
    figure = Figure(figsize=(8, 1.2 + 0.3 * len(ranks)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    for y, label in enumerate(ranks.index):
        ours = label in labels("own", errors)
        values = relative[label].dropna()
        left.plot(values, np.full(len(values), y), "o", mfc="none", mec="0.45", ms=5)
        left.plot(np.exp(np.log(values).mean()), y, "D", color="k", ms=7 if ours else 5)
        right.plot(ranks[label], y, "D" if ours else "o", color="k" if ours else "0.45")
    left.set(
        xscale="log",
        xlabel="error / smallest error on the table\n(circles: tables, diamond: mean)",
    )
    ticks = [t for t in (1, 1.2, 1.5, 2, 3, 5, 10) if t < 1.1 * relative.max(axis=None)]
    left.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    left.minorticks_off()
    right.set_xlabel("mean rank among these\n(1: best; diamonds: skmtl)")
    right.set_xlim(left=0.5)
    right.tick_params(axis="y", length=0)
    left.set_yticks(
        range(len(ranks)), [marked(r, run_here).replace("\\", "") for r in ranks.index]
    )
    for axes in (left, right):
        axes.grid(axis="both", color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


# --- the command ----------------------------------------------------------------------


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy", description="Errors of skmtl and its peers."
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="default: bundled tables")
    parser.add_argument(
        "--models",
        nargs="+",
        choices=MODELS,
        metavar="NAME",
        help=f"of {', '.join(MODELS)}",
    )
    parser.add_argument("--folds", type=int, default=N_FOLDS, metavar="N")
    parser.add_argument("--peers", type=Path, metavar="FILE", help="errors measured before")
    parser.add_argument("--peer-seconds", type=Path, metavar="FILE", help="... and times")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="where to write the tables, with a picture beside (default: RESULTS.md "
        "beside this module, if neither --models nor --folds is given; else nowhere)",
    )
    parser.add_argument(
        "--section",
        default="accuracy",
        metavar="NAME",
        help="name of the section written there, and of the picture (default: accuracy)",
    )
    arguments = parser.parse_args(argv)
    if arguments.data and not (arguments.data / "datasets.json").exists():
        parser.error(
            f"--data: {arguments.data} has no datasets.json, see the module's text"
        )
    if arguments.peers and arguments.folds != N_FOLDS:
        parser.error(
            f"--peers: measured with {N_FOLDS} folds, but --folds {arguments.folds}"
        )
    if arguments.peer_seconds and not arguments.peers:
        parser.error("--peer-seconds: needs --peers")
    if arguments.results is None and not arguments.models and arguments.folds == N_FOLDS:
        arguments.results = RESULTS
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    where = circumstances()
    tables = read_tables(arguments.data)
    before = measured_before(arguments.peers, tables)
    names = arguments.models or [n for n in MODELS if MODELS[n].label not in before]
    missing = [name for name in names if MODELS[name].missing]
    chosen = [MODELS[name] for name in names if name not in missing]
    measured = measure(chosen, tables, arguments.folds)
    run_here = set(measured.errors)
    measured = with_peers(measured, before, measured_before(arguments.peer_seconds, tables))
    name = arguments.section
    lines = section(name, measured, before, [*where, *notes(arguments, missing)])
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results is not None:
        write_section(arguments.results, name, lines)
        draw(measured.errors, run_here, arguments.results.with_name(f"{name}.png"))


def notes(arguments: argparse.Namespace, missing: Sequence[str]) -> list[str]:
    lines = [f"- protocol: KFold({arguments.folds}, shuffle=True, random_state=0)"]
    lines += [
        f"- left out: {name}, not installed (pip install '{MODELS[name].install}')"
        for name in missing
    ]
    if arguments.peers:
        lines.append(
            "- \\*: read from a file, measured before with the same protocol, maybe on "
            "another machine; the times are taken to be CPU seconds of one fit"
        )
    return lines


if __name__ == "__main__":
    main()
