"""A small zoo of tables, and one size of network, so that few programs are compiled."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skmtl._estimators.classifier import MultiTaskClassifier
from skmtl._estimators.regressor import MultiTaskRegressor

N, D, T = 64, 5, 3
FEATURES = ["age", "mass", "heat", "flow", "load"]
TARGETS = ["cost", "time", "risk"]

SMALL = {
    "weight_decay": 0.0,
    "ema_momentum": 0.0,
    "trunk_sizes": (8,),
    "head_sizes": (4,),
    "learning_rate": 0.01,
    "epochs": 4,
    "random_state": 0,
}


def small(**parameters) -> MultiTaskRegressor:
    """A small network with some parameters set otherwise."""
    return MultiTaskRegressor(**{**SMALL, **parameters})


def small_classifier(**parameters) -> MultiTaskClassifier:
    """The same network for labels."""
    return MultiTaskClassifier(**{**SMALL, **parameters})


def full_batch(**parameters) -> MultiTaskRegressor:
    """A tiny network that sees all rows in every step, so that their order does nothing."""
    tiny = {
        "trunk_sizes": (6, 5),
        "head_sizes": (3,),
        "activation": "tanh",
        "learning_rate": 0.05,
        "weight_decay": 0.0,
        "ema_momentum": 0.0,
        "epochs": 4,
        "batch_size": 64,
        "early_stopping": False,
        "random_state": 0,
    }
    return MultiTaskRegressor(**(tiny | parameters))


def make_table(n=N, d=D, n_targets=T, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Targets that are curved in the features, with some noise, in unlike units."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    Y = np.tanh(X @ rng.normal(size=(d, n_targets))) + X @ rng.normal(size=(d, n_targets))
    Y += 0.1 * rng.normal(size=Y.shape)
    return X, Y * 10.0 ** np.arange(n_targets) + 5


def as_frames(X, Y) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame(X, columns=FEATURES), pd.DataFrame(Y, columns=TARGETS)


def with_holes(Y, share=0.3, seed=0) -> np.ndarray:
    """Y with NaN in a share of the cells, but in no whole row."""
    rng = np.random.default_rng(seed)
    holes = rng.random(Y.shape) < share
    holes[np.arange(len(Y)), rng.integers(Y.shape[1], size=len(Y))] = False
    return np.where(holes, np.nan, Y)


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


# The same numbers, held differently. To be applied to small integers.
CONTAINERS = {
    "float32": lambda A: A.astype(np.float32),
    "int64": lambda A: A.astype(np.int64),
    "int8": lambda A: A.astype(np.int8),
    "object": lambda A: A.astype(object),
    "list": lambda A: A.tolist(),
    "F-ordered": np.asfortranarray,
    "strided": lambda A: np.repeat(A, 2, axis=0)[::2],
    "reversed": lambda A: A[::-1].copy()[::-1],
    "read-only": _read_only,
    "DataFrame": pd.DataFrame,
    "Float64": lambda A: pd.DataFrame(A).astype("Float64"),
    "Int64": lambda A: pd.DataFrame(A).astype("Int64"),
    "category": lambda A: pd.DataFrame(A).astype("category"),
}

# Tables that standardisation, or a network in single precision, might stumble over.
DIFFICULT_FEATURES = {
    "constant column": lambda X: X * [1, 1, 0, 1, 1] + [0, 0, 7, 0, 0],
    "only constants": np.ones_like,
    "zeros": np.zeros_like,
    "huge offsets": lambda X: X + np.array([1e9, -1e9, 0, 1e6, 1e8]),
    "huge and tiny scales": lambda X: X * [1e150, 1e-150, 1, 1e30, 1e-30],
    "one outlier": lambda X: np.where(np.arange(X.size).reshape(X.shape) == 7, 1e15, X),
    "booleans": lambda X: X > 0,
    "nullable booleans": lambda X: pd.DataFrame(X > 0).astype("boolean"),
    "equal rows": lambda X: np.repeat(X[:2], len(X) // 2, axis=0),
}
DIFFICULT_TARGETS = {
    "constant column": lambda Y: Y * [1, 0, 1] + [0, 7, 0],
    "zeros": np.zeros_like,
    "huge offsets": lambda Y: Y + np.array([1e12, -1e12, 0]),
    "huge and tiny scales": lambda Y: Y * [1e150, 1e-150, 1],
    "integers": lambda Y: Y.astype(int),
    "booleans": lambda Y: Y > 0,
    "equal columns": lambda Y: np.repeat(Y[:, :1], 3, axis=1),
    "one outlier": lambda Y: np.where(np.arange(Y.size).reshape(Y.shape) == 7, 1e15, Y),
}
