"""What the search found, as text of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from ._search import DepthSearch
from ._table import Table

WIDTH = 100
MIN_NAME_WIDTH = 12


def report(table: Table, search: DepthSearch) -> str:
    parts = [_data_line(table, search)]
    names = [" ".join(name.split()) for name in table.Y.columns]
    summary = _summary(search, names)
    if len(summary[0]) <= WIDTH:
        parts += ["\n".join(summary)]
    else:
        parts += ["\n".join(_summary(search)), "\n".join(_r2_per_target(search, names))]
    parts += [_filled(_legend(search)), _filled(conclusion(search))]
    return "\n\n".join(parts) + "\n"


def how_to_load(path: str, table: Table, search: DepthSearch) -> str:
    text = (
        f"The model of depth {search.best_depth}, fitted to all rows, is saved in {path}. "
        f"It predicts, in this order: {', '.join(table.Y.columns)}."
    )
    return (
        f"\n{_filled(text)}\n\n"
        "    import joblib, pandas\n"
        f"    joblib.load({path!r}).predict(pandas.read_csv('new_rows.csv'))\n"
    )


def conclusion(search: DepthSearch) -> str:
    """Which depth is best, and whether the folds agree on it."""
    fold_r2 = search.mean_r2
    mean, best = fold_r2.mean(axis=1), search.best_depth
    gains = {
        depth: paired_gain(fold_r2[best], fold_r2[depth])
        for depth in range(len(mean))
        if depth != best
    }
    other = 0 if best > 0 else 1 + int(mean[1:].argmax())
    gain, standard_error = gains.pop(other)
    best_name, other_name = (_depth_name(depth, len(mean) - 1) for depth in (best, other))
    if gain <= standard_error:
        return (
            f"There is no clear difference between {best_name} (mean R2 {mean[best]:.4f}) "
            f"and {other_name} ({mean[other]:.4f}): the gain of {gain:.4f} is not larger "
            f"than its standard error over folds, {standard_error:.4f}."
        )
    verb = "predict" if best == 0 else "predicts"
    as_good = [f"{depth}" for depth, (gap, error) in gains.items() if gap <= error]
    also = f" Depth {' or '.join(as_good)} is not clearly worse." if as_good else ""
    return (
        f"{best_name[0].upper()}{best_name[1:]} {verb} best: mean R2 {mean[best]:.4f}, "
        f"{gain:.4f} more than {other_name} (standard error over folds "
        f"{standard_error:.4f}).{also}"
    )


def paired_gain(fold_scores: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Mean of the differences per fold, and its standard error."""
    differences = fold_scores - reference
    return differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))


def _depth_name(depth: int, n_layers: int) -> str:
    if depth == 0:
        return "separate networks"
    return f"sharing {depth} of {n_layers} hidden layer{'s' if n_layers > 1 else ''}"


def _data_line(table: Table, search: DepthSearch) -> str:
    n_rows, n_targets = table.Y.shape
    n_features, n_encoded = table.X.shape[1], search.model[-1].n_features_in_
    encoded = f" ({n_encoded} encoded)" if n_encoded != n_features else ""
    n_missing = int(table.Y.isna().sum().sum())
    missing = f" ({n_missing / table.Y.size:.1%} of the cells missing)" if n_missing else ""
    return (
        f"{table.name}: {n_rows} rows, {n_features} feature{'s' if n_features > 1 else ''}"
        f"{encoded}, {n_targets} targets{missing}, {search.r2.shape[1]} folds"
    )


def _summary(search: DepthSearch, names: Sequence[str] = ()) -> list[str]:
    """A line per depth, with R2 of the named targets if any."""
    header = ["depth", "weights", "R2", "std", *names, "gain", "s.e.", "seconds"]
    rows = []
    for depth, fold_r2 in enumerate(search.mean_r2):
        per_target = search.r2[depth].mean(axis=0) if names else []
        gain = ("", "")
        if depth > 0:
            value, standard_error = paired_gain(fold_r2, search.mean_r2[0])
            gain = (f"{value:+.4f}", f"{standard_error:.4f}")
        rows.append(
            [
                f"{depth}",
                f"{search.n_weights[depth]}",
                f"{fold_r2.mean():.4f}",
                f"{fold_r2.std(ddof=1):.4f}",
                *(f"{r2:.4f}" for r2 in per_target),
                *gain,
                f"{search.seconds[depth]:.1f}",
            ]
        )
    return _aligned([header, *rows])


def _r2_per_target(search: DepthSearch, names: Sequence[str]) -> list[str]:
    """A line per target, with R2 at every depth."""
    n_depths = len(search.r2)
    header = ["R2 at depth", *(f"{depth}" for depth in range(n_depths))]
    rows = [
        ["", *(f"{r2:.4f}" for r2 in by_depth)] for by_depth in search.r2.mean(axis=1).T
    ]
    longest = max(MIN_NAME_WIDTH, WIDTH - len(_aligned([[""] * (n_depths + 1), *rows])[0]))
    for row, name in zip(rows, names, strict=True):
        row[0] = _shortened(name, longest)
    return _aligned([header, *rows], left=1)


def _legend(search: DepthSearch) -> str:
    *_, network = search.model
    sizes = "-".join(str(size) for size in [*network.trunk_sizes, *network.head_sizes])
    return (
        f"depth: hidden layers, of {sizes} units, that all targets share. R2: mean over "
        "targets and folds; std: its standard deviation over folds. gain: R2 over that of "
        "separate networks (depth 0); s.e.: its standard error, from the differences per "
        "fold. seconds: for fitting all folds."
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _aligned(rows: Sequence[Sequence[str]], left: int = 0) -> list[str]:
    """Lines with columns of equal width; the first `left` of them flush left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _shortened(name: str, width: int) -> str:
    """A name without its middle if it is longer than `width`: names may start alike."""
    if len(name) <= width:
        return name
    kept = width - len("...")
    return f"{name[: kept - kept // 2]}...{name[len(name) - kept // 2 :]}"
