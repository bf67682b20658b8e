"""Whether the verdict on sharing is right where the truth is known.

::

    python -m benchmarks.verdict [--seeds 20] [--first-seed 200] [--results FILE]
    python -m benchmarks.verdict --only 4    the fourth of the settings, printed only
    python -m benchmarks.verdict --models    the verdict on models instead

Two kinds of tables with 24 normal features. *Related*: every target is a random linear
combination of the same 2 hidden features, so what one target teaches serves all.
*Unrelated*: every target has features of its own, disjoint from those of the others, and 2
hidden features of these. A hidden feature is a function of a.x with a random unit vector a:
either a *bump*, exp(-2 (a.x)^2), whose direction is hard to find from one target, or a
*step*, tanh(2 a.x), which is nearly linear, so separate networks find it as well and
little is left to gain. All targets have unit variance, plus noise of standard deviation
0.5. The network has hidden layers of 32 and 16 units, so the depths are 0, 1 and 2.

A verdict is right over related targets if it says that sharing pays on average. Over
unrelated targets it is wrong if it says so although the true gain is not positive: sharing
may help them too, as it leaves fewer weights to overfit with. The true gain is that of the
same depth over depth 0, each fitted to all rows with five seeds and scored on 5000 new
rows. The seeds of the tables are none of those that the rule of the verdict was chosen on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import RepeatedKFold

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl.model_selection import (
    ModelVerdict,
    SharingDepthSearchCV,
    model_verdict,
    sharing_verdict,
)
from skmtl.model_selection._verdict import HELPS, HURTS, MEAN, Judgement, judgement

from ._report import circumstances, markdown_table, write_section

RESULTS = Path(__file__).with_name("RESULTS.md")
N_FEATURES, N_HIDDEN, NOISE, N_FOLDS = 24, 2, 0.5, 5
N_NEW = 5000  # rows that no search has seen
N_FITS = 5  # of other seeds, for the true gain
FOUND, NOT_WRONG = 0.8, 0.95  # shares of seeds that are aimed at


SHAPES = {
    "bump": lambda z: np.exp(-2 * z**2),
    "step": lambda z: np.tanh(2 * z),
}


class Setting(NamedTuple):
    shape: str  # of the hidden features
    n_targets: int
    n_rows: int
    n_repeats: int  # of the five folds
    aimed_at: bool  # whether a verdict should be possible; the others show its limits


SETTINGS = [
    Setting("bump", 6, 600, 1, aimed_at=True),
    Setting("bump", 6, 600, 4, aimed_at=True),
    Setting("bump", 6, 400, 4, aimed_at=False),
    Setting("step", 6, 200, 4, aimed_at=True),
    Setting("step", 12, 200, 1, aimed_at=False),
    Setting("step", 6, 200, 1, aimed_at=False),
]


def related(setting: Setting, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """X and Y of targets that share their hidden features."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(setting.n_rows + N_NEW, N_FEATURES))
    hidden = hidden_features(X, setting, rng)
    return X, noisy(hidden @ rng.normal(size=(N_HIDDEN, setting.n_targets)), rng)


def unrelated(setting: Setting, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """X and Y of targets that depend on disjoint columns of X."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(setting.n_rows + N_NEW, N_FEATURES))
    own = np.array_split(rng.permutation(N_FEATURES), setting.n_targets)
    targets = [
        hidden_features(X[:, columns], setting, rng) @ rng.normal(size=N_HIDDEN)
        for columns in own
    ]
    return X, noisy(np.column_stack(targets), rng)


def hidden_features(X: np.ndarray, setting: Setting, rng) -> np.ndarray:
    directions = rng.normal(size=(X.shape[1], N_HIDDEN))
    return SHAPES[setting.shape](X @ (directions / np.linalg.norm(directions, axis=0)))


def noisy(Y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return Y / Y.std(axis=0) + NOISE * rng.normal(size=Y.shape)


class Trial(NamedTuple):
    found: Judgement
    true_gain: float  # in R2, of the depth that was judged


def trial(make: Callable, setting: Setting, seed: int) -> Trial:
    X, Y = make(setting, seed)
    old, new = slice(setting.n_rows), slice(setting.n_rows, None)
    model = MultiTaskRegressor(trunk_sizes=(32,), head_sizes=(16,), random_state=seed)
    folds = RepeatedKFold(n_splits=N_FOLDS, n_repeats=setting.n_repeats, random_state=seed)
    search = SharingDepthSearchCV(model, cv=folds).fit(X[old], Y[old])
    found = judgement(search)
    shared, separate = (
        [
            model.set_params(sharing_depth=depth, random_state=1000 * seed + i)
            .fit(X[old], Y[old])
            .score(X[new], Y[new])
            for i in range(N_FITS)
        ]
        for depth in (found.depth, 0)
    )
    true_gain = float(np.mean(shared) - np.mean(separate))
    sys.stderr.write(
        f"{make.__name__} {seed}, true gain {true_gain:+.3f}: {sharing_verdict(search)}\n"
    )
    return Trial(found, true_gain)


def says(trial: Trial) -> str:
    return trial.found.table.loc[MEAN, "effect"]


def row(setting: Setting, seeds: range) -> list[str]:
    folds = f"{setting.n_repeats} x {N_FOLDS}"
    cells = [setting.shape, f"{setting.n_targets}", f"{setting.n_rows}", folds]
    n_right = []
    for make, truth in ((related, True), (unrelated, False)):
        trials = [trial(make, setting, seed) for seed in seeds]
        tables = [found.table for found, _ in trials]
        effects = np.concatenate([table["effect"].drop(MEAN) for table in tables])
        pays = [says(t) == HELPS for t in trials]
        wrongly = [says(t) == HELPS and t.true_gain <= 0 for t in trials]
        n_right.append(sum(pays) if truth else len(trials) - sum(wrongly))
        cells += [
            f"{n_right[-1]} of {len(trials)}",
            f"{sum(pays)}, {sum(says(t) == HURTS for t in trials)}",
            spread([table.loc[MEAN, "gain"] for table in tables]),
            spread([gain for _, gain in trials]),
            f"{np.mean(effects == HELPS):.0%}, {np.mean(effects == HURTS):.0%}",
        ]
    aims = [FOUND * len(seeds), NOT_WRONG * len(seeds)]
    met = "yes" if np.greater_equal(n_right, aims).all() else "**no**"
    return [*cells, met if setting.aimed_at else ""]


def spread(gains: list[float]) -> str:
    return f"{np.median(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f})"


MODELS = """
Three kinds of tables. *Steps*: 3 targets, each of 4 products of two thresholds of single
features out of 8, 600 rows: trees are truly better. *Smooth*: the related targets above, of
6 targets and 600 rows: networks are. *Nothing*: 3 targets of noise, 300 rows: no model is
better than the mean. A verdict is right if it says to use the better kind for the mean over
the targets, and the share of targets for which it says so is beside it. A claim is false if
it names another kind as clearly best, for the mean or for any target. Of noise, that the
mean is not clearly beaten is all that can be said, so nothing is named.
"""


def steps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(600, 8))
    Y = np.zeros((600, 3))
    for t in range(3):
        for _ in range(4):
            pair = rng.choice(8, 2, replace=False)
            above = X[:, pair] > rng.uniform(-0.7, 0.7, size=2)
            Y[:, t] += rng.choice([-2, 2]) * (above[:, 0] ^ above[:, 1])
    return X, noisy(Y, rng)


def smooth(seed: int) -> tuple[np.ndarray, np.ndarray]:
    X, Y = related(SETTINGS[0], seed)
    return X[:600], Y[:600]


def nothing(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(300, 8)), rng.normal(size=(300, 3))


TRUTHS = {steps: "boosted trees", smooth: "a network", nothing: "the mean"}


def model_trial(make: Callable, seed: int) -> ModelVerdict:
    model = MultiTaskRegressor(trunk_sizes=(32,), head_sizes=(16,))
    verdict = model_verdict(model, *make(seed), random_state=seed)
    sys.stderr.write(f"{make.__name__} {seed}: {verdict}\n")
    return verdict


def models_row(make: Callable, seeds: range) -> list[str]:
    truth = TRUTHS[make]
    named = [model_trial(make, seed).clear for seed in seeds]
    right = [own[MEAN] == truth for own in named]
    # That the mean is not clearly beaten is all that can be said of noise.
    false = [own.dropna().ne(truth).any() for own in named]
    single = np.mean([own.drop(MEAN) == truth for own in named])
    n = len(named)
    return [
        make.__name__,
        truth,
        f"{sum(right)} of {n}",
        f"{single:.0%}",
        f"{sum(false)} of {n}",
    ]


def models_lines(seeds: range) -> list[str]:
    header = ["table", "truly best", "named for the mean", "for targets", "false claims"]
    return [
        "## Is the verdict on models right?",
        "",
        *circumstances(),
        "",
        " ".join(MODELS.split()),
        "",
        *markdown_table(header, [models_row(make, seeds) for make in TRUTHS]),
    ]


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="tables of each kind")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to write")
    parser.add_argument("--first-seed", type=int, default=200, help="of the tables")
    parser.add_argument(
        "--only",
        type=int,
        nargs="+",
        choices=range(1, len(SETTINGS) + 1),
        metavar="K",
        help="settings, from 1",
    )
    parser.add_argument("--models", action="store_true", help="the verdict on models")
    options = parser.parse_args(argv)
    settings = [SETTINGS[k - 1] for k in options.only] if options.only else SETTINGS
    seeds = range(options.first_seed, options.first_seed + options.seeds)

    if options.models:
        lines = models_lines(seeds)
        write_section(options.results, "model verdict", lines)
        sys.stdout.write("\n".join(lines) + "\n")
        return
    lines = ["## Is the verdict on sharing right?", "", *circumstances(), ""]
    explanation = " ".join(__doc__.split("::\n")[1].split("\n\n", 1)[1].split())
    header = ["hidden", "targets", "rows", "folds"]
    for kind in ("related", "unrelated"):
        header += [f"{kind}: right", "says pays, does not pay", "gain in R2"]
        header += ["true gain", "targets helped, hurt"]
    lines += [
        explanation,
        "",
        "Gains are those of the best depth that shares: median, lowest and highest of the "
        f"tables. At least {FOUND:.0%} right of the related and {NOT_WRONG:.0%} of the "
        "unrelated ones is the aim; the rows without one show where a verdict ends. Last "
        "in each half: the share of single targets that the verdict says are helped, and "
        "hurt.",
        "",
        *markdown_table(
            [*header, "aim met"], [row(setting, seeds) for setting in settings]
        ),
    ]
    if not options.only:
        write_section(options.results, "verdict", lines)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
