"""Properties of fitted estimators that several tests assert."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest


def assert_same_predictions(a, b, X, *, atol=1e-5):
    """Two estimators predict the same for X; see `assert_close`."""
    assert_close(a.predict(X), b.predict(X), atol=atol)


def assert_close(actual, expected, *, atol=1e-5):
    """Equal up to atol times the spread (or size) of each target."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    spread = np.maximum(expected.std(axis=0), 1e-6 * np.abs(expected).max(axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    np.testing.assert_allclose(actual / spread, expected / spread, rtol=0, atol=atol)


def assert_equal_up_to_rounding(actual, expected):
    """Equal in double precision, where the sizes of what is multiplied may differ.

    BLAS rounds as its kernel for these sizes does, which each processor has its own of.
    """
    largest = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12 * largest)


def assert_differ(a, b, X, *, at_least=1e-3):
    """The predictions for X differ in every target by a share of its spread."""
    A, B = a.predict(X), b.predict(X)
    assert (np.abs(A - B).max(axis=0) > at_least * A.std(axis=0)).all()


def assert_history_is_complete(estimator):
    """One number per epoch under every name."""
    lengths = {name: len(values) for name, values in estimator.history_.items()}
    assert set(lengths.values()) == {estimator.n_iter_}, lengths


@contextmanager
def leaves_unchanged(estimator, X):
    """What is done inside does not show in a fitted estimator."""
    before = estimator.predict(X)
    history = {name: list(values) for name, values in estimator.history_.items()}
    attributes = {
        name: getattr(estimator, name)
        for name in ("n_iter_", "n_features_in_", "n_outputs_", "target_names_")
    }
    model = estimator.model_
    weights = model.get_weights()

    yield

    np.testing.assert_array_equal(estimator.predict(X), before)
    assert estimator.history_ == history
    for name, value in attributes.items():
        np.testing.assert_array_equal(getattr(estimator, name), value)
    assert estimator.model_ is model
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


@contextmanager
def raises_naming(*parts, error=ValueError):
    """An error of this type, whose message holds every one of the parts."""
    with pytest.raises(error) as caught:
        yield
    message = str(caught.value)
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in {message!r}"


def weights_of(estimator) -> list:
    """All weights of a fitted estimator's first network."""
    return estimator._network.weights.leaves()
