"""How well one network does on raw tables, beside boosted trees and other peers.

::

    python -m benchmarks.raw                                  the seven named tables
    python -m benchmarks.raw --tables named own --cache peers.json
    python -m benchmarks.raw --kind classification
    python -m benchmarks.raw --fold 1 2 --models trees skmtl --set n_bins=64 dropout=.1
    python -m benchmarks.raw --describe                       sizes of the tables

Needs the extra ``bench``. Tables are as people have them: text, categories, holes
(`benchmarks._raw_tables`). The error is the average over targets of the RMSE on the test
part relative to that of the mean of the training part, or of the log loss, on the observed
cells; the test part is a fold of KFold(3, shuffle=True, random_state=0). Defaults are
chosen on folds 1 and 2, and figures reported of fold 0.

Peers: "trees", scikit-learn's HistGradientBoosting per target, native categories (the 250
most frequent levels of each column), up to 1000 rounds, stopped early; "catboost", native
categories, one model for all targets (MultiRMSEWithMissingValues, learning rate .1) or one
per target with classes, the same rounds, stopped early; "linear", ridge or logistic
regression per target after skrub's TableVectorizer; "realmlp", pytabkit's RealMLP per
target, missing numbers filled by means with a flag beside, an hour for the seven tables: so
only if it is asked for (``pip install pytabkit``). ``--cache`` keeps the peers' figures,
which a change of the network does not touch, in a file; remove it to time all in one run.

"skmtl-8" is a network of eight members, "stack" the default stack of `skmtl.ensemble`, of a
network and boosted trees here.

Seconds are those of a fit, compilation included; CPU seconds are those of all threads of
the process. Each network, and the stack, is ranked without the others.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from skmtl._training import PROGRAMS

from ._clocks import in_fresh_process
from ._raw_peers import PEERS
from ._raw_tables import CLASSES, GROUPS, SOURCES, described, names_of, read_raw
from ._report import circumstances, markdown_table, write_section
from .accuracy import mean_ranks

N_FOLDS = 3
NETWORKS = {"skmtl": 1, "skmtl-8": 8, "stack": None}  # members; of a stack, its own
MODELS = ["trees", "catboost", "linear", *NETWORKS]
SMALLEST = 1e-15  # probability
COLUMNS = ["table", "fold", "model", "seed", "target", "error", "cpu", "wall"]


# --- errors ---------------------------------------------------------------------------


def relative_rmse(Y: pd.DataFrame, predicted: np.ndarray, Y_train: pd.DataFrame):
    """Of every target, on its observed cells; 1 is as good as the training rows' mean."""
    errors = ((Y - predicted) ** 2).sum()
    return np.sqrt(errors / ((Y - Y_train.mean()) ** 2).sum())


def log_losses(Y: pd.DataFrame, probabilities: Sequence[np.ndarray], classes) -> pd.Series:
    """Of every target, on its observed cells; a class that was never seen has none."""
    losses = {}
    for name, p, labels in zip(Y, probabilities, classes, strict=True):
        y = Y[name].dropna()
        p = pd.DataFrame(p, Y.index, list(labels)).loc[y.index]
        p = p.reindex(columns=p.columns.union(y.unique()), fill_value=0.0)
        true = p.to_numpy()[np.arange(len(y)), p.columns.get_indexer(y)]
        losses[name] = -np.log(true.clip(SMALLEST)).mean()
    return pd.Series(losses)


# --- measuring ------------------------------------------------------------------------


def network(kind: str, n_members: int | None, seed: int, settings: dict, by_skrub: bool):
    from skmtl import MultiTaskClassifier, MultiTaskRegressor
    from skmtl.ensemble import MultiTaskStackingClassifier, MultiTaskStackingRegressor

    estimator: Any = {
        "regression": (MultiTaskRegressor, MultiTaskStackingRegressor),
        "classification": (MultiTaskClassifier, MultiTaskStackingClassifier),
    }[kind][n_members is None]
    members = {} if n_members is None else {"n_members": n_members}
    model = estimator(random_state=seed, **members | settings)
    if not by_skrub:
        return model
    import skrub

    return skrub.tabular_pipeline(model)


def import_tensorflow() -> None:
    """By a fit of a few rows, so that no fit that is measured pays for it."""
    from skmtl import MultiTaskRegressor

    X = np.random.default_rng(0).normal(size=(64, 2))
    MultiTaskRegressor(epochs=1, random_state=0).fit(X, X)


def one_fit(model, table_name: str, fold: int) -> pd.DataFrame:
    """Error of every target, CPU and wall seconds of the fit."""
    table = read_raw(table_name)
    split = list(KFold(N_FOLDS, shuffle=True, random_state=0).split(table.X))
    (X, Y), (X_test, Y_test) = (
        (table.X.iloc[rows], table.Y.iloc[rows]) for rows in split[fold]
    )
    PROGRAMS.clear()
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cpu, wall = time.process_time(), time.perf_counter()
        model.fit(X, Y)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if table_name in CLASSES:
            errors = log_losses(Y_test, model.predict_proba(X_test), model.classes_)
        else:
            errors = relative_rmse(Y_test, np.asarray(model.predict(X_test)), Y)
    errors = errors.rename_axis("target").rename("error").reset_index()
    return errors.assign(cpu=cpu, wall=wall)


def peer_fit(name: str, kind: str, table_name: str, fold: int) -> pd.DataFrame:
    return one_fit(PEERS[name](kind), table_name, fold)


class Cache:
    """Figures of peers by table, fold and model, in a file or in memory."""

    def __init__(self, path: Path | None):
        self.path = path
        self.figures = self._kept()

    def peer(self, name: str, kind: str, table_name: str, fold: int) -> pd.DataFrame:
        key = f"{table_name}/{fold}/{name}"
        if key not in self.figures:
            # In a process of its own: PyTorch's compiler and TensorFlow's do not get on.
            fitted = in_fresh_process(peer_fit, name, kind, table_name, fold)
            self.figures[key] = fitted.to_dict("list")
            self._keep(key)
        return pd.DataFrame(self.figures[key])

    def _kept(self) -> dict:
        if self.path is None or not self.path.exists():
            return {}
        return json.loads(self.path.read_text(encoding="utf-8"))

    def _keep(self, key: str) -> None:
        """Beside what another run may have written meanwhile."""
        if self.path is not None:
            kept = self._kept() | {key: self.figures[key]}
            text = json.dumps(kept, indent=1)
            self.path.write_text(text + "\n", encoding="utf-8")


def measure(arguments: argparse.Namespace) -> pd.DataFrame:
    """A row per table, fold, model, seed and target."""
    cache = Cache(arguments.cache)
    figures = []
    if any(name in NETWORKS for name in arguments.models):
        import_tensorflow()
    for table_name in arguments.tables:
        for fold in arguments.fold:
            for name in arguments.models:
                for seed in arguments.seed if name in NETWORKS else [0]:
                    found = _measured(arguments, cache, table_name, fold, name, seed)
                    where = {"table": table_name, "fold": fold, "model": name, "seed": seed}
                    figures.append(found.assign(**where)[COLUMNS])
                    _tell(figures[-1])
    return pd.concat(figures, ignore_index=True)


def _measured(arguments, cache: Cache, table_name, fold, name, seed) -> pd.DataFrame:
    if name in PEERS:
        return cache.peer(name, arguments.kind, table_name, fold)
    parameters = (NETWORKS[name], seed, arguments.set, arguments.skrub)
    return one_fit(network(arguments.kind, *parameters), table_name, fold)


def _tell(found: pd.DataFrame) -> None:
    first = found.iloc[0]
    targets = ", ".join(
        f"{t} {e:.4f}" for t, e in zip(found.target, found.error, strict=True)
    )
    sys.stderr.write(
        f"{first.table} fold {first.fold} {first.model} seed {first.seed}: "
        f"{found.error.mean():.4f} ({targets}), "
        f"{first.cpu:.1f} CPU s, {first.wall:.1f} s\n"
    )


# --- comparing ------------------------------------------------------------------------


def fits(figures: pd.DataFrame) -> pd.DataFrame:
    """Error and seconds of every fit: means over targets."""
    keys = ["table", "fold", "model", "seed"]
    return figures.groupby(keys, sort=False)[["error", "cpu", "wall"]].mean()


def by_table(figures: pd.DataFrame, what: str) -> pd.DataFrame:
    """A row per table and a column per model: means over folds and seeds."""
    means = fits(figures)[what].groupby(["table", "model"], sort=False).mean()
    return means.unstack("model").loc[figures["table"].unique(), figures["model"].unique()]


def between_seeds(figures: pd.DataFrame) -> pd.DataFrame:
    """Largest less smallest error of the networks: means over folds."""
    networks = figures[figures["model"].isin(NETWORKS)]
    seeds = fits(networks)["error"].groupby(["table", "fold", "model"], sort=False)
    spread = (seeds.max() - seeds.min()).groupby(["table", "model"], sort=False).mean()
    return spread.unstack("model").loc[networks["table"].unique()]


def ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Of every model to the trees."""
    return frame.drop(columns="trees").div(frame["trees"], axis="index")


def summary(errors: pd.DataFrame, cpu: pd.DataFrame) -> pd.DataFrame:
    """A row per model: mean rank, and error and seconds as parts of the trees'."""
    columns = {}
    peers = [name for name in errors if name in PEERS]
    networks = [name for name in errors if name in NETWORKS]
    for own in networks:
        columns[f"mean rank, with {own}"] = mean_ranks(errors[[*peers, own]])
    if not networks:
        columns["mean rank"] = mean_ranks(errors)
    if "trees" in errors:
        to_trees, of_time = ratios(errors), ratios(cpu)
        columns |= {
            "error / trees, geometric mean": np.exp(np.log(to_trees).mean()),
            "largest": to_trees.max(),
            "CPU s / trees, geometric mean": np.exp(np.log(of_time).mean()),
        }
    return pd.DataFrame(columns).reindex(errors.columns)


def report(figures: pd.DataFrame) -> list[str]:
    errors, cpu, wall = (by_table(figures, what) for what in ("error", "cpu", "wall"))
    parts = {"Errors:": (errors, 4)}
    if "trees" in errors and errors.shape[1] > 1:
        parts["Errors as parts of the trees':"] = (ratios(errors), 3)
    parts["All tables:"] = (summary(errors, cpu), 3)
    parts["CPU seconds of a fit:"] = (cpu, 1)
    parts["Seconds of a fit:"] = (wall, 1)
    if figures["seed"].nunique() > 1:
        parts["Largest less smallest error of the seeds:"] = (between_seeds(figures), 4)
    lines = []
    for text, (frame, digits) in parts.items():
        rows = [
            [label, *("" if np.isnan(v) else f"{v:.{digits}f}" for v in row)]
            for label, *row in frame.itertuples(name=None)
        ]
        header = [frame.index.name or "", *frame.columns]
        lines += ["", text, "", *markdown_table(header, rows)]
    return lines


# --- the command ----------------------------------------------------------------------


def setting(text: str) -> tuple[str, object]:
    """``name=value``; the value as Python reads it, or text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.raw",
        description="Errors on raw tables: networks, trees and other peers.",
    )
    add = parser.add_argument
    add(
        "--kind",
        choices=["regression", "classification"],
        default="regression",
        help="of the targets (default: regression)",
    )
    add(
        "--tables",
        nargs="+",
        metavar="NAME",
        choices=[*GROUPS, *SOURCES],
        help=f"names or groups of them (default: named, or classes): {', '.join(GROUPS)}; "
        f"{', '.join(SOURCES)}",
    )
    add(
        "--models",
        nargs="+",
        metavar="NAME",
        choices=[*PEERS, *NETWORKS],
        default=MODELS,
        help=f"of {', '.join([*PEERS, *NETWORKS])} (default: all but realmlp)",
    )
    add(
        "--fold",
        nargs="+",
        type=int,
        choices=range(N_FOLDS),
        default=[0],
        help="test parts (default: 0, to report; choose defaults on 1 and 2)",
    )
    add("--seed", nargs="+", type=int, default=[0], help="of the networks (default: 0)")
    add(
        "--set",
        nargs="+",
        type=setting,
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the networks, as in --set n_bins=64 'trunk_sizes=(256, 64)'",
    )
    add("--skrub", action="store_true", help="networks after skrub.tabular_pipeline")
    add("--cache", type=Path, metavar="FILE", help="the peers' figures (JSON), to keep")
    add("--figures", type=Path, metavar="FILE", help="write every figure there (CSV)")
    add("--results", type=Path, metavar="FILE", help="write a section there (RESULTS.md)")
    add("--describe", action="store_true", help="print sizes of the tables, fit nothing")
    arguments = parser.parse_args(argv)
    arguments.set = dict(arguments.set)
    of_classes = arguments.kind == "classification"
    arguments.tables = names_of(arguments.tables or ["classes" if of_classes else "named"])
    wrong = [name for name in arguments.tables if (name in CLASSES) != of_classes]
    if wrong and not arguments.describe:
        parser.error(f"--kind {arguments.kind}: not the kind of {', '.join(wrong)}")
    return arguments


def notes(arguments: argparse.Namespace) -> list[str]:
    folds = ", ".join(map(str, arguments.fold))
    lines = [f"- protocol: fold {folds} of KFold({N_FOLDS}, shuffle=True, random_state=0)"]
    if arguments.set:
        settings = ", ".join(f"{name}={value}" for name, value in arguments.set.items())
        lines.append(f"- networks: {settings}")
    if arguments.cache:
        lines.append("- peers may have been measured before, so their seconds are rough")
    return lines


def describe(names: Sequence[str]) -> list[str]:
    header = ["table", "source", "rows", "features", "categories (levels)", "targets"]
    rows = [described(read_raw(name)) for name in names]
    return markdown_table([*header, "holes in features, targets"], rows)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    if arguments.describe:
        sys.stdout.write("\n".join([*describe(arguments.tables), ""]))
        return
    where = circumstances()
    figures = measure(arguments)
    if arguments.figures:
        figures.to_csv(arguments.figures, index=False)
    title = "Raw tables" if arguments.kind == "regression" else "Raw tables, classes"
    lines = [f"## {title}", "", *where, *notes(arguments), *report(figures)]
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results:
        write_section(arguments.results, title.lower().replace(", ", "_"), lines)


if __name__ == "__main__":
    main()
