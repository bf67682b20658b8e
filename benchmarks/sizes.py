"""``python -m benchmarks.sizes``: what a random search over layer sizes costs.

Every measurement is a process of its own, without the time of imports: a search with
empty caches, the same search with the programs that it has kept, and one in which every
architecture has a program of its own. The first fit of a process takes memory once, for
the compiler; growth is given with it and from there on. ``--candidates`` and ``--epochs``
make it shorter.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from ._report import markdown_table

MODES = {
    "own": "a program per architecture",
    "shared": "shared programs",
    "kept": "shared programs, kept by an earlier process",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--search", choices=MODES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.search:
        result = search(args.candidates, args.epochs, own=args.search == "own")
        sys.stdout.write(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for mode, label in MODES.items():
            figures = in_new_process(args, mode, "off" if mode == "own" else folder)
            rows.append([label, *(f"{figure:.0f}" for figure in figures)])
    header = ["search", "seconds", "compiled programs", "growth, MB", "after the first fit"]
    sys.stdout.write("\n".join(markdown_table(header, rows)) + "\n")


def in_new_process(args: argparse.Namespace, mode: str, folder: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.sizes", "--search", mode]
    command += ["--candidates", str(args.candidates), "--epochs", str(args.epochs)]
    without_flags = {k: v for k, v in os.environ.items() if k != "TF_XLA_FLAGS"}
    environment = without_flags | {"SKMTL_CACHE_DIR": folder}
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def search(n_candidates: int, n_epochs: int, *, own: bool) -> list[float]:
    """Seconds, compiled programs, and megabytes of growth in all and after the first fit.

    The networks have two layers and a head.
    """
    import numpy as np
    from sklearn.base import clone
    from sklearn.model_selection import RandomizedSearchCV

    from skmtl._estimators.regressor import MultiTaskRegressor
    from skmtl._training import PROGRAMS
    from skmtl._training import program_cache as _cache
    from skmtl.datasets import load_energy

    if own:
        _cache.spec_with_room = lambda spec: spec
    rng = np.random.default_rng(0)
    X, y = load_energy(return_X_y=True)
    trunks = [tuple(pair) for pair in rng.integers(16, 257, (n_candidates, 2)).tolist()]
    heads = [(size,) for size in rng.integers(8, 65, n_candidates).tolist()]
    model = MultiTaskRegressor(epochs=n_epochs, random_state=0)
    before, started = megabytes(), time.perf_counter()
    clone(model).set_params(trunk_sizes=trunks[0], head_sizes=heads[0]).fit(X, y)
    after_first = megabytes()
    RandomizedSearchCV(
        model,
        {"trunk_sizes": trunks, "head_sizes": heads},
        n_iter=n_candidates,
        cv=3,
        random_state=0,
    ).fit(X, y)
    seconds = time.perf_counter() - started
    grown = megabytes()
    return [seconds, PROGRAMS.n_built, grown - before, grown - after_first]


def megabytes() -> float:
    """What the process holds in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
