"""Targets with holes: names, the weight of every cell, rows held out for validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.utils import check_array

from .containers import column_labels, name_of
from .features import as_numbers, listed

_NUMBERS = (
    "Expected numbers, one column per target, and NaN where one was not observed: encode "
    "or drop other columns."
)
MAX_DRAWS = 50  # of rows to hold out, before it is given up to cover all targets


def target_names(y, n_targets: int) -> np.ndarray:
    """Column names of a DataFrame, the name of a Series, or target_0, target_1, ..."""
    labels = column_labels(y)
    if labels is None or len(labels) != n_targets:
        labels = [f"target_{t}" for t in range(n_targets)]
    names = np.array([name_of(label) for label in labels], dtype=object)
    unique, counts = np.unique(names.astype(str), return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"y has more than one column of the {listed('name', unique[counts > 1])}: "
            "targets need names of their own."
        )
    return names


def loss_weight_entries(names: Sequence[str]) -> list[str]:
    """What `history_` calls the course of each target's loss weight."""
    taken = {f"loss_{name}" for name in names}  # by the loss of a target weight_<name>
    usual = [f"loss_weight_{name}" for name in names]
    pairs = zip(usual, names, strict=True)
    return [f"weight_of_loss_{name}" if key in taken else key for key, name in pairs]


def check_targets(y, *, estimator) -> tuple[np.ndarray, bool]:
    """y as floats (n, T), and whether it was 1-D. NaN means "not observed"."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the "
            "target y is None."
        )
    y = as_numbers(y, "y", _NUMBERS, unnamed="target_{}")
    if np.ndim(y) == 0:
        raise ValueError(f"y is the single value {y}. {_NUMBERS}")
    Y = check_array(
        y,
        dtype=[np.float64, np.float32],
        ensure_2d=False,
        ensure_all_finite=False,
        input_name="y",
        estimator=estimator,
    )
    one_dimensional = Y.ndim == 1
    Y = Y.reshape(len(Y), -1)
    infinite = np.isinf(Y).any(axis=0)
    if infinite.any():
        names = target_names(y, Y.shape[1])[infinite]
        raise ValueError(
            f"y contains infinity in {listed('target', names)}. Mark values that were not "
            "observed with NaN."
        )
    return Y, one_dimensional


def check_same_targets(y, Y: np.ndarray, names: np.ndarray) -> None:
    """Targets must be those of the first fit: as many, and under the same column names."""
    if Y.shape[1] != len(names):
        raise ValueError(
            f"y has {Y.shape[1]} target{'s' if Y.shape[1] > 1 else ''}, but the estimator "
            f"was fitted with {len(names)}: {listed('target', names)}."
        )
    own, no_names = target_names(y, len(names)), target_names(None, len(names))
    both_named = (own != no_names).any() and (names != no_names).any()
    if both_named and (own != names).any():
        raise ValueError(
            f"y has {listed('column', own)}, but the estimator was fitted with "
            f"{listed('target', names)}, in this order."
        )


def new_target_name(y, n_columns: int, name: str | None, names: np.ndarray) -> str:
    """The name of one more target: as given, that of its column, or target_<T>."""
    if n_columns != 1:
        raise ValueError(f"y must be one target, got {n_columns} columns.")
    if name is None:
        own = target_names(y, 1)[0]
        name = f"target_{len(names)}" if own == "target_0" else own
    if name in names:
        raise ValueError(
            f"There is a target {name!r} already; give the new one another name."
        )
    return str(name)


def with_new_target(loss, new, n_targets: int, name: str):
    """The parameter ``loss`` with an entry for one more target."""
    if is_one_loss(loss):
        return loss if new is None or new == loss else [loss] * n_targets + [new]
    if new is None:
        raise ValueError(
            "The other targets have a loss each: give the new one's, as in "
            "add_task(X, y, loss='squared_error')."
        )
    return {**loss, name: new} if isinstance(loss, Mapping) else [*loss, new]


def with_new_weight(loss_weights, name: str):
    """The parameter ``loss_weights`` with the weight 1 for one more target."""
    if loss_weights is None or isinstance(loss_weights, str):
        return loss_weights
    if isinstance(loss_weights, Mapping):
        return {**loss_weights, name: 1.0}
    return [*loss_weights, 1.0]


def per_target(
    parameter: str, value, names: Sequence[str], is_one: Callable[[object], bool]
) -> list:
    """A parameter's value for every target.

    ``value`` is one for all (as ``is_one`` tells), a sequence with an entry per target,
    or a mapping by target name.
    """
    names = list(names)
    if is_one(value):
        return [value] * len(names)
    if isinstance(value, Mapping):
        # Names are strings; labels of columns may be ints, or tuples of a MultiIndex.
        by_name = {name_of(key): own for key, own in value.items()}
        if len(by_name) < len(value):
            raise ValueError(f"{parameter} has two entries of one name, got {list(value)}.")
        problems = _differences("target", names, by_name)
        if problems:
            raise ValueError(
                f"{parameter} {problems}; expected one entry for each of the "
                f"{listed('target', names)}."
            )
        return [by_name[name] for name in names]
    if not hasattr(value, "__len__"):
        raise TypeError(
            f"{parameter} must be one value, a sequence with an entry per target or a "
            f"mapping by target name, got {value!r}."
        )
    if len(value) != len(names):
        raise ValueError(
            f"{parameter} has {len(value)} entries, expected one for each of the "
            f"{len(names)} targets: {listed('target', names)}."
        )
    return list(value)


def _differences(noun: str, names: Iterable[str], own: Iterable[str]) -> str:
    """What these names lack and add, in words, or nothing."""
    missing = [name for name in names if name not in own]
    unknown = [name for name in own if name not in names]
    problems = [f"lacks {listed(noun, missing)}"] if missing else []
    problems += [f"has {listed('unknown name', unknown)}"] if unknown else []
    return " and ".join(problems)


def is_one_loss(loss) -> bool:
    """Whether ``loss`` is one for all targets."""
    return isinstance(loss, str) or callable(loss) or is_quantile(loss)


def is_quantile(loss) -> bool:
    return isinstance(loss, tuple) and len(loss) == 2 and loss[0] == "quantile"


def cell_weights(Y: np.ndarray, sample_weight=None, names=None) -> np.ndarray:
    """How much each cell of Y (n, T) counts: its sample weight, or 0 where Y is NaN.

    To be read only: cells that count alike may share their memory. ``names`` are those of
    the targets.
    """
    W = np.ones((1, 1))
    if sample_weight is not None:
        names = target_names(None, Y.shape[1]) if names is None else names
        W = _check_sample_weight(weights_of(sample_weight, names), Y.shape)
    missing = np.isnan(Y)
    return np.where(missing, 0.0, W) if missing.any() else np.broadcast_to(W, Y.shape)


def weights_of(sample_weight, names: Sequence[str]) -> np.ndarray:
    """Sample weights as an array, a frame's columns in the order of the targets' names."""
    remedy = "Expected numbers, one per row, or one per row and target."
    weight = as_numbers(sample_weight, "sample_weight", remedy)
    if isinstance(weight, pd.DataFrame) and weight.shape[1] > 1:
        weight = _in_order(weight, list(names))
    return np.asarray(weight, dtype=np.float64)


def _in_order(weight: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The columns as the targets are; by position where either have no names."""
    own = list(map(name_of, weight.columns))
    if own == names:
        return weight
    if sorted(own) == sorted(names):
        return weight.iloc[:, [own.index(name) for name in names]]
    unnamed = names == [f"target_{t}" for t in range(len(names))]
    if unnamed or list(weight.columns) == list(range(len(own))):
        return weight
    raise ValueError(
        f"sample_weight {_differences('column', names, own)}; expected one column for each "
        f"of the {listed('target', names)}, or one weight per row."
    )


def _check_sample_weight(weight: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Sample weights as (n, 1) or (n, T)."""
    if weight.shape not in {shape[:1], shape}:
        raise ValueError(
            f"sample_weight has the shape {weight.shape}, expected {shape[:1]}, one weight "
            f"per row, or {shape}, one weight per row and target."
        )
    bad = weight[~(np.isfinite(weight) & (weight >= 0))]
    if bad.size:
        raise ValueError(
            f"sample_weight must be finite and not negative, got {bad.size} other values "
            f"such as {bad[0]}."
        )
    if not weight.any():
        raise ValueError("All values of sample_weight are zero: nothing is left to fit.")
    return weight.reshape(len(weight), -1)


def check_observed(Y: np.ndarray, W: np.ndarray, names: np.ndarray, *, all_of=True) -> None:
    """Each target, or any, needs a cell that counts; a warning counts rows without one."""
    empty = ~(W > 0).any(axis=0)
    if empty.all() or (all_of and empty.any()):
        raise ValueError(
            f"No observed value (not NaN, with a positive sample weight) in "
            f"{listed('target', names[empty])}: drop such columns of y, or choose folds "
            "that leave some rows of each to train on."
        )
    n_unobserved = int(np.isnan(Y).all(axis=1).sum())
    if n_unobserved:
        warnings.warn(
            f"{n_unobserved} of {len(Y)} rows have no observed target and are left out.",
            UserWarning,
            stacklevel=5,  # the caller of fit
        )


def check_values(Y: np.ndarray, W: np.ndarray, kinds: Sequence, names: np.ndarray) -> None:
    """The values of every target must suit the kind of its head."""
    for kind in dict.fromkeys(kinds):
        of_kind = np.array([other == kind for other in kinds])
        bad = (W > 0) & of_kind & kind.misfits(Y)
        wrong = bad.any(axis=0)
        if wrong.any():
            expected, others = kind.expects
            raise ValueError(
                f"loss={kind.own_loss!r} needs {expected}, but there are {others} values, "
                f"such as {Y[bad][0]:g}, in {listed('target', names[wrong])}. Use another "
                "loss there."
            )


def hold_out(
    W: np.ndarray,
    fraction: float,
    names: np.ndarray,
    rng: np.random.Generator,
    n_members: int = 1,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Row numbers for training and for validation, for each member of an ensemble.

    The validation parts are cut from one random order at equal distances. Every target
    keeps a cell that counts on each side. Where the cut does not give that, rows of the
    rarest targets are drawn first, and the validation part may get larger than asked for.
    """
    if len(W) < 2:
        raise ValueError(
            "early_stopping=True holds out rows and needs at least two of them, got "
            f"n_samples={len(W)}. Set early_stopping=False."
        )
    observed = W[:, W.any(axis=0)] > 0
    names = names[W.any(axis=0)]
    rare = observed.sum(axis=0) < 2
    if rare.any():
        raise ValueError(
            "early_stopping=True needs two observed rows of every target, one to train on "
            f"and one to validate on; there is one for {listed('target', names[rare])}. "
            "Set early_stopping=False or drop such columns of y."
        )
    n_validation = max(1, round(fraction * len(W)))
    order = rng.permutation(len(W))
    starts = np.arange(n_members) * len(W) // n_members
    return [
        _split(observed, np.roll(order, -start), n_validation, names, rng)
        for start in starts
    ]


def _split(observed, order, n_validation, names, rng) -> tuple[np.ndarray, np.ndarray]:
    """Hold out the first rows of this order, or of others if they leave targets out."""
    is_validation = np.zeros(len(observed), dtype=bool)
    is_validation[order[:n_validation]] = True
    for _ in range(MAX_DRAWS):
        missing = ~(
            observed[is_validation].any(axis=0) & observed[~is_validation].any(axis=0)
        )
        if not missing.any():
            return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
        order = rng.permutation(len(observed))
        is_validation[order] = _cover_targets(observed[order], n_validation)
    raise ValueError(
        "early_stopping=True found no rows to hold out that leave "
        f"{listed('target', names[missing])} observed on each side: there are too few. Set "
        "early_stopping=False or drop such columns of y."
    )


def _cover_targets(observed: np.ndarray, n_wanted: int) -> np.ndarray:
    """Which rows to hold out: at least one per target if possible, then up to n_wanted.

    Rows come in random order. The rarest target chooses first, and no row is taken that
    is the last one left to train some target on.
    """
    held_out = np.zeros(len(observed), dtype=bool)
    n_left = observed.sum(axis=0)

    def take_first(rows, n: int) -> None:
        for row in rows:
            if n == 0:
                return
            if not held_out[row] and (n_left[observed[row]] > 1).all():
                held_out[row] = True
                n_left[observed[row]] -= 1
                n -= 1

    for target in np.argsort(n_left):
        if not observed[held_out, target].any():
            take_first(np.flatnonzero(observed[:, target]), n=1)
    take_first(range(len(observed)), n=max(0, n_wanted - held_out.sum()))
    return held_out
