"""Weights of a stack's parts: not negative, of sum 1, drawn to those of parts alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize, nnls

SHARPNESS = 16
N_DRAWS = 100  # of rows, for standard errors: these are then 7 % off
N_UNITS = 5000  # that are drawn, for more take long


def prior_precision(shrinkage: float, n_parts: int, weight: np.ndarray) -> float:
    """s M^2 / n: what holds the weights back, beside n rows that speak for themselves.

    n is the effective number of rows (Kish): rows of unlike ``weight`` count as fewer.
    """
    n_effective = weight.sum() ** 2 / (weight**2).sum()
    return shrinkage * n_parts**2 / n_effective


def squared_error_weights(E: np.ndarray, weight: np.ndarray, precision: float):
    """The weights of parts with the errors E (n, M) on cells that count ``weight``."""
    E = E / max(np.abs(E).max(), np.finfo(float).tiny)  # squares stay finite
    return of_products((E * weight[:, None]).T @ E / weight.sum(), precision)


def log_loss_weights(P: np.ndarray, weight: np.ndarray, precision: float):
    """The weights of parts that give the true label the probabilities P (n, M)."""
    n_parts = P.shape[1]
    share = weight / weight.sum()
    P = np.maximum(P, np.finfo(float).eps)
    P = P / P.max(axis=1, keepdims=True)  # the same loss, up to a constant
    own = by_themselves(-share @ np.log(P))
    if precision == np.inf:
        return own

    def loss(w):
        mixed, away = P @ w, w - own
        slope = -(share / mixed) @ P + precision * away
        value = -share @ np.log(mixed) + precision / 2 * away @ away
        return value / (1 + precision), slope / (1 + precision)  # in numbers near 1

    return _on_simplex(loss, (own + 1 / n_parts) / 2)


def of_products(G: np.ndarray, precision: float) -> np.ndarray:
    """The w >= 0 of sum 1 with the least w'Gw, drawn to those of parts by themselves.

    G (M, M) are the mean products of the parts' errors. The noise that the prior is
    weighed against is what is left with the best of all weights.
    """
    least = 1e-12 * np.trace(G)
    if not (precision > 0 and least > 0):
        return _least_square(G)
    own = by_themselves(np.log(np.maximum(np.diag(G), least)) / 2)
    if precision == np.inf:
        return own
    best = _least_square(G)
    # A trace of it, where nothing is left, makes the weights of equal parts equal.
    noise = max(best @ G @ best, least)
    # Where the sum of w is 1, w - p is Aw.
    A = np.eye(len(G)) - own[:, None]
    return _least_square(G + precision * noise * A.T @ A)


def by_themselves(losses: np.ndarray) -> np.ndarray:
    """Weights of parts by the log loss of each: (1 / mean squared error)^8 of numbers.

    If the errors are normal, half the logarithm of their mean square is the log loss.
    """
    w = np.exp(-SHARPNESS * (losses - losses.min()))
    return w / w.sum()


def _least_square(G: np.ndarray) -> np.ndarray:
    """The w >= 0 of sum 1 with the least w'Gw.

    Along a ray, w = s v with sum v = 1, the least of w'Gw + (sum w - 1)^2 falls with v'Gv:
    a problem without the constraint, whose solution needs but be divided by its sum.
    """
    n_parts = len(G)
    size = np.trace(G) / n_parts
    if not size > 0:
        return np.full(n_parts, 1 / n_parts)
    values, vectors = np.linalg.eigh(G / size)
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    w, _ = nnls(np.vstack([root, np.ones(n_parts)]), np.append(np.zeros(n_parts), 1.0))
    return w / w.sum()


def _on_simplex(loss: Callable, start: np.ndarray) -> np.ndarray:
    """The w >= 0 of sum 1 with the least loss, which is convex and comes with its slope."""
    n_parts = len(start)
    if n_parts == 1:
        return np.ones(1)
    found = minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * n_parts,
        constraints={
            "type": "eq",
            "fun": lambda w: w.sum() - 1,
            "jac": lambda w: np.ones(n_parts),
        },
        options={"ftol": 1e-10, "maxiter": 200},
    )
    w = np.where(found.x > 1e-9, found.x, 0.0)
    return w / w.sum()


def bootstrap_std(
    weights_of: Callable, weight: np.ndarray, units: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """How far ``weights_of(weight)`` spreads over draws of units, with replacement.

    ``units`` says what each cell belongs to: itself, or its group.
    """
    codes = np.unique(units, return_inverse=True)[1]
    n_units = codes.max() + 1
    n_drawn = min(n_units, N_UNITS)
    found = []
    for _ in range(N_DRAWS):
        drawn = rng.integers(n_units, size=n_drawn)
        times = np.bincount(drawn, minlength=n_units)[codes]
        if (times * weight).any():
            found.append(weights_of(times * weight))
    # What is known of the weights grows as the root of the number of units.
    return np.std(found, axis=0) * np.sqrt(n_drawn / n_units)
