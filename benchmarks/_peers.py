"""The models of the accuracy benchmark by name: skmtl's, and what one would use instead.

Every peer has the settings with which figures measured elsewhere can be reproduced:
networks and kernels see standardised features and targets, linear models standardised
features, trees the table as it is. What is not said here is the library's default.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import MultiTaskElasticNetCV, RidgeCV
from sklearn.model_selection import KFold
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl.metrics import target_scorers
from skmtl.model_selection import SharingDepthSearchCV

INNER_FOLDS = 5  # of the search over sharing depths


class Model(NamedTuple):
    make: Callable[[], BaseEstimator]
    label: str  # in tables, and the name of its column in files of figures
    kind: str  # "own", "sharing" (own, at another sharing depth), "neural" or "other"
    package: str = "sklearn"  # what has to be importable
    install: str = ""  # what to install for that

    @property
    def missing(self) -> bool:
        return find_spec(self.package) is None


# --- skmtl ----------------------------------------------------------------------------


def _skmtl(**params) -> MultiTaskRegressor:
    return MultiTaskRegressor(random_state=0, **params)


def _n_hidden() -> int:
    default = MultiTaskRegressor()
    return len(default.trunk_sizes) + len(default.head_sizes)


def _stack():
    from skmtl.ensemble import MultiTaskStackingRegressor

    return MultiTaskStackingRegressor(random_state=0)


def _searched_depth() -> SharingDepthSearchCV:
    """Chosen by the measure that the benchmark reports."""
    return SharingDepthSearchCV(
        _skmtl(),
        cv=KFold(INNER_FOLDS, shuffle=True, random_state=0),
        scoring=target_scorers(metric="neg_average_relative_rmse"),
        error_score="raise",
    )


# --- neural peers ---------------------------------------------------------------------


class KerasByHand(RegressorMixin, BaseEstimator):
    """Dense(32) for all tasks, Dense(16) and Dense(1) for each; Adam, 100 epochs of 32."""

    def fit(self, X, Y):
        import keras

        keras.utils.set_random_seed(0)
        inputs = keras.Input((X.shape[1],))
        trunk = keras.layers.Dense(32, activation="relu")(inputs)
        heads = [keras.layers.Dense(16, activation="relu")(trunk) for _ in Y.T]
        outputs = [keras.layers.Dense(1)(head) for head in heads]
        self.model_ = keras.Model(inputs, keras.layers.Concatenate()(outputs))
        self.model_.compile("adam", "mse")
        self.model_.fit(X, Y, batch_size=32, epochs=100, verbose=0)
        return self

    def predict(self, X):
        return self.model_.predict(X, verbose=0)


def _standardised(estimator) -> TransformedTargetRegressor:
    return TransformedTargetRegressor(
        _standardised_features(estimator), transformer=StandardScaler()
    )


def _standardised_features(estimator):
    return make_pipeline(StandardScaler(), estimator)


def _stopped_mlp() -> MLPRegressor:
    return MLPRegressor(
        hidden_layer_sizes=(64, 64, 32), early_stopping=True, max_iter=500, random_state=0
    )


def _realmlp():
    # PyTorch's package triton must not be installed: it brings an LLVM of its own, and a
    # process that has loaded TensorFlow's ends there.
    from pytabkit import RealMLP_TD_Regressor

    return RealMLP_TD_Regressor(device="cpu", random_state=0, verbosity=0)


def _tabm():
    """A network of 32 members for every target: the package has none for several."""
    from pytabkit import TabM_D_Regressor

    network = TabM_D_Regressor(device="cpu", random_state=0, n_threads=1)
    return MultiOutputRegressor(network)


# --- other peers ----------------------------------------------------------------------


def _elastic_net():
    return MultiTaskElasticNetCV(l1_ratio=[0.1, 0.5, 0.9], alphas=20, cv=5)


def _catboost():
    from catboost import CatBoostRegressor

    return CatBoostRegressor(
        loss_function="MultiRMSE", random_seed=0, verbose=0, allow_writing_files=False
    )


def _xgboost(**params):
    from xgboost import XGBRegressor

    return XGBRegressor(random_state=0, **params)


def _forest(kind):
    return kind(300, random_state=0, n_jobs=-1)


MODELS = {
    "skmtl": Model(_skmtl, "skmtl", "own"),
    "skmtl-8": Model(lambda: _skmtl(n_members=8), "skmtl, 8 members", "own"),
    "stack": Model(_stack, "skmtl, stack", "own"),
    "skmtl-depth-0": Model(
        lambda: _skmtl(sharing_depth=0), "skmtl, separate networks", "sharing"
    ),
    "skmtl-full": Model(
        lambda: _skmtl(sharing_depth=_n_hidden()), "skmtl, all layers shared", "sharing"
    ),
    "skmtl-depth-cv": Model(
        _searched_depth, "skmtl, depth by inner cross-validation", "sharing"
    ),
    "keras": Model(lambda: _standardised(KerasByHand()), "Keras_handwritten", "neural"),
    "mlp": Model(
        lambda: _standardised(MLPRegressor(max_iter=500, random_state=0)),
        "MLP_default",
        "neural",
    ),
    "mlp-es": Model(lambda: _standardised(_stopped_mlp()), "MLP_64-64-32_ES", "neural"),
    "realmlp": Model(_realmlp, "RealMLP_TD", "neural", "pytabkit", "pytabkit[models]"),
    "tabm": Model(_tabm, "TabM_D", "neural", "pytabkit", "pytabkit[models]"),
    "ridge": Model(
        lambda: _standardised_features(RidgeCV(np.logspace(-3, 3, 13))), "RidgeCV", "other"
    ),
    "elastic-net": Model(
        lambda: _standardised_features(_elastic_net()), "MTElasticNetCV", "other"
    ),
    "svr": Model(
        lambda: _standardised(MultiOutputRegressor(SVR(C=10))), "SVR_C10", "other"
    ),
    "random-forest": Model(lambda: _forest(RandomForestRegressor), "RandomForest", "other"),
    "extra-trees": Model(lambda: _forest(ExtraTreesRegressor), "ExtraTrees", "other"),
    "hist-gb": Model(
        lambda: MultiOutputRegressor(HistGradientBoostingRegressor(random_state=0)),
        "HistGB",
        "other",
    ),
    "catboost": Model(_catboost, "CatBoost_MultiRMSE", "other", "catboost", "skmtl[bench]"),
    "xgboost": Model(_xgboost, "XGB_per_target", "other", "xgboost", "skmtl[bench]"),
    "xgboost-multi": Model(
        lambda: _xgboost(multi_strategy="multi_output_tree"),
        "XGB_multi_tree",
        "other",
        "xgboost",
        "skmtl[bench]",
    ),
}
