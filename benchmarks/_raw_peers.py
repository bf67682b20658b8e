"""What one would fit to a raw table else: per target but for CatBoost's regressor.

Every peer takes categories, text and missing numbers its own way. What is not said here is
the library's default.
"""

from __future__ import annotations

import logging
import sys

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from ._raw_tables import categorical

MOST_LEVELS = 250  # scikit-learn's trees take at most 255
N_ROUNDS = 1000  # of boosting at most: early stopping on a tenth of the rows ends it
PATIENCE = 50  # of CatBoost's early stopping


class PerTarget(BaseEstimator):
    """A clone per target, fitted to the rows in which the target is observed."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, Y):
        self.models_ = [self._fitted(X, Y[name]) for name in Y]
        return self

    def _fitted(self, X, y):
        seen = y.notna()
        return clone(self.estimator).fit(X[seen], y[seen])

    @property
    def classes_(self) -> list[np.ndarray]:
        return [model.classes_ for model in self.models_]

    def predict(self, X) -> np.ndarray:
        return np.column_stack([np.ravel(model.predict(X)) for model in self.models_])

    def predict_proba(self, X) -> list[np.ndarray]:
        return [model.predict_proba(X) for model in self.models_]


class FrequentLevels(TransformerMixin, BaseEstimator):
    """Categories of the most frequent levels; others are missing, yes/no is a number."""

    def fit(self, X, y=None):
        self.levels_ = {
            name: list(X[name].value_counts().index[:MOST_LEVELS])
            for name in categorical(X)
        }
        return self

    def transform(self, X) -> pd.DataFrame:
        known = {
            name: X[name].where(X[name].isin(levels))
            for name, levels in self.levels_.items()
        }
        kinds = {name: pd.CategoricalDtype(levels) for name, levels in self.levels_.items()}
        return X.assign(**known).astype(dict.fromkeys(X, float) | kinds)


class FilledLevels(TransformerMixin, BaseEstimator):
    """Text in which "missing" is a level, and numbers."""

    def fit(self, X, y=None):
        return self

    def transform(self, X) -> pd.DataFrame:
        names = categorical(X)
        text = X[names].astype(object).where(X[names].notna(), "missing").astype(str)
        return X.astype({name: float for name in X if name not in names}).assign(**text)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class CatBoost(BaseEstimator):
    """CatBoost with its own categories, stopped early on a tenth of the rows."""

    def __init__(self, kind: str, params: dict):
        self.kind = kind
        self.params = params

    def fit(self, X, Y):
        import catboost

        name = {"regression": "CatBoostRegressor", "classification": "CatBoostClassifier"}
        self.model_ = getattr(catboost, name[self.kind])(
            iterations=N_ROUNDS,
            early_stopping_rounds=PATIENCE,
            random_seed=0,
            verbose=0,
            allow_writing_files=False,
            **self.params,
        )
        X, X_held, Y, Y_held = train_test_split(X, Y, test_size=0.1, random_state=0)
        pools = [
            catboost.Pool(x, y, cat_features=categorical(x))
            for x, y in ((X, Y), (X_held, Y_held))
        ]
        self.model_.fit(pools[0], eval_set=pools[1])
        return self

    @property
    def classes_(self) -> np.ndarray:
        return self.model_.classes_

    def predict(self, X) -> np.ndarray:
        return self.model_.predict(X)

    def predict_proba(self, X) -> np.ndarray:
        return self.model_.predict_proba(X)


def _trees(kind: str):
    boosting = {
        "regression": HistGradientBoostingRegressor,
        "classification": HistGradientBoostingClassifier,
    }[kind]
    trees = boosting(
        categorical_features="from_dtype",
        max_iter=N_ROUNDS,
        early_stopping=True,
        random_state=0,
    )
    return make_pipeline(FrequentLevels(), PerTarget(trees))


def _catboost(kind: str):
    import catboost  # noqa: F401 - not in the time of the fit

    if kind == "classification":
        return make_pipeline(FilledLevels(), PerTarget(CatBoost(kind, {})))
    params = {"loss_function": "MultiRMSEWithMissingValues", "learning_rate": 0.1}
    return make_pipeline(FilledLevels(), CatBoost(kind, params))


def _linear(kind: str):
    import skrub

    linear = {
        "regression": RidgeCV(np.logspace(-3, 3, 13)),
        "classification": LogisticRegression(max_iter=1000),
    }[kind]
    return PerTarget(skrub.tabular_pipeline(linear))


def _realmlp(kind: str):
    # PyTorch's package triton brings an LLVM of its own, and a process that has loaded
    # TensorFlow's ends there.
    sys.modules.setdefault("triton", None)
    import pytabkit

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    name = {
        "regression": "RealMLP_TD_Regressor",
        "classification": "RealMLP_TD_Classifier",
    }[kind]
    network = getattr(pytabkit, name)(device="cpu", random_state=0, verbosity=0)
    return make_pipeline(FilledLevels(), _filled_numbers(), PerTarget(network))


def _filled_numbers():
    """The mean where a number is missing, and a flag beside it."""
    numbers = make_column_selector(dtype_include="number")
    filled = make_column_transformer(
        (SimpleImputer(add_indicator=True, keep_empty_features=True), numbers),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    return filled.set_output(transform="pandas")


PEERS = {
    "trees": _trees,
    "catboost": _catboost,
    "linear": _linear,
    "realmlp": _realmlp,
}
