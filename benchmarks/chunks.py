"""What `partial_fit` over a Parquet file reaches, and takes, beside `fit` to all of it.

::

    python -m benchmarks.chunks                             2 000 000 rows, 8 and 16
                                                            passes, into RESULTS.md
    python -m benchmarks.chunks --rows 200000 --passes 8    fewer, printed only

A file has 28 numbers, 2 columns of text, one of 50 and one of 2000 levels, some of them
rare, and 5 targets, in row groups of 50 000 rows in random order. Two fresh processes read
it: one all of it, for one `fit`; others group after group, in another order in each pass,
with the levels named, and with a step size that falls to 0 in the end, as the README has
it, or with one that knows no end. Errors are the mean over targets of RMSE / standard
deviation on other rows; noise that nothing predicts is 0.054 of it. Memory is what a
process holds at its peak beside what it held before it read anything, but after it
imported TensorFlow.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from pyarrow.parquet import ParquetFile, ParquetWriter

from ._clocks import duration, in_fresh_process
from ._report import circumstances, markdown_table, with_rows, write_section
from .large import peak_beside

N_ROWS, GROUP, N_TEST = 2_000_000, 50_000, 100_000
N_NUMBERS, N_KINDS, N_TOWNS = 28, 50, 2000
TARGETS = ["a", "b", "c", "d", "e"]
NOISE = 0.1


def group(number: int, n_rows: int) -> pd.DataFrame:
    """Rows whose targets are bent in what numbers and levels have in common."""
    rng = np.random.default_rng(0)
    A = 2 * rng.normal(size=(N_NUMBERS, 10)) / N_NUMBERS**0.5
    B = rng.normal(size=(10, len(TARGETS)))
    of_kind, of_town = (0.5 * rng.normal(size=(n, 10)) for n in (N_KINDS, N_TOWNS))
    share = 1 / (np.arange(N_TOWNS) + 10)

    rng = np.random.default_rng([1, number])
    x = rng.normal(size=(n_rows, N_NUMBERS)).astype(np.float32)
    kind = rng.integers(N_KINDS, size=n_rows)
    town = rng.choice(N_TOWNS, n_rows, p=share / share.sum())
    y = np.sin(x @ A + of_kind[kind] + of_town[town]) @ B
    y += NOISE * rng.normal(size=y.shape)
    table = pd.DataFrame(x, columns=[f"x{i}" for i in range(N_NUMBERS)])
    table["kind"] = np.char.add("kind ", kind.astype(str))
    table["town"] = np.char.add("town ", town.astype(str))
    return table.join(pd.DataFrame(y.astype(np.float32), columns=TARGETS))


def write(path: Path, n_rows: int) -> None:
    schema = pyarrow.Schema.from_pandas(group(0, 1), preserve_index=False)
    with ParquetWriter(path, schema) as writer:
        for number, start in enumerate(range(0, n_rows, GROUP)):
            rows = group(number, min(GROUP, n_rows - start))
            writer.write_table(pyarrow.Table.from_pandas(rows, schema))


def error(model) -> float:
    test = group(10**6, N_TEST)
    Y = test[TARGETS]
    rmse = np.sqrt(((model.predict(test.drop(columns=TARGETS)) - Y) ** 2).mean())
    return float((rmse / Y.std(ddof=0)).mean())


def new_model(**params):
    """A default estimator but for these; TensorFlow is there when it is used."""
    from skmtl._estimators.regressor import MultiTaskRegressor

    few = group(0, 1000)
    MultiTaskRegressor(epochs=1).fit(few.drop(columns=TARGETS), few[TARGETS])
    return MultiTaskRegressor(random_state=0, **params)


def measure_fit(path: Path, epochs: int) -> list[tuple[str, ...]]:
    model = new_model(epochs=epochs)

    def fit() -> None:
        table = ParquetFile(path).read().to_pandas()
        model.fit(table.drop(columns=TARGETS), table[TARGETS])

    memory, seconds = peak_beside(fit)
    title = f"`fit`, {model.n_iter_} epochs"
    return [(title, f"{error(model):.4f}", duration(seconds), f"{memory / 1e3:.2f} GB")]


def measure_chunks(path: Path, passes: Sequence[int], to_0: bool) -> list[tuple[str, ...]]:
    """After each of these passes; the step size is 0 after the last, or knows no end."""
    file, seconds, memory, rows = ParquetFile(path), 0.0, 0.0, []
    n_chunks = max(passes) * file.num_row_groups
    falling = {"learning_rate_schedule": "cosine", "epochs": n_chunks} if to_0 else {}
    model, rng = new_model(**falling), np.random.default_rng(0)

    def train() -> None:
        names = ["kind", "town"]
        levels = {name: file.read([name])[name].unique().to_pylist() for name in names}
        for number in rng.permutation(file.num_row_groups).tolist():
            chunk = file.read_row_group(number).to_pandas()
            X, y = chunk.drop(columns=TARGETS), chunk[TARGETS]
            model.partial_fit(X, y, categories=levels)

    for n in range(1, max(passes) + 1):
        of_pass, seconds_of_pass = peak_beside(train)
        memory, seconds = max(memory, of_pass), seconds + seconds_of_pass
        if n in passes:
            title = (
                f"`partial_fit`, {n} passes, step size {'to 0' if to_0 else 'by itself'}"
            )
            figures = f"{error(model):.4f}", duration(seconds), f"{memory / 1e3:.2f} GB"
            rows.append((title, *figures))
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {rows[-1]}\n")
    return rows


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chunks", description="Training in chunks."
    )
    parser.add_argument("--passes", type=int, nargs="+", default=[8, 16], metavar="N")
    return with_rows(parser, argv, N_ROWS)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    where = circumstances()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.parquet")
        write(path, arguments.rows)
        size = path.stat().st_size / 1e9
        rows: list[tuple[str, ...]] = []
        for n in arguments.passes:
            rows += in_fresh_process(measure_fit, path, n)
        for n in arguments.passes:
            rows += in_fresh_process(measure_chunks, path, [n], True)
        rows += in_fresh_process(measure_chunks, path, arguments.passes, False)
    title = f"{arguments.rows} rows in groups of {GROUP}, {size:.2f} GB of Parquet"
    lines = ["## Training in chunks", "", *where, f"- file: {title}", ""]
    lines += markdown_table(["what", "error", "seconds so far", "peak memory"], rows)
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results is not None:
        write_section(arguments.results, "chunks", lines)


if __name__ == "__main__":
    main()
