"""What scikit-learn expects of a regressor for several targets, and its tools at work."""

import inspect
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import estimator_html_repr, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl._estimators.regressor import MultiTaskRegressor
from tests._asserts import assert_close, assert_differ, assert_same_predictions
from tests._inputs import SMALL, as_frames, make_table, small, with_holes

CV = KFold(2)

# The checks want an R2 above 0.5 of some fits.
LEARNS = {"trunk_sizes": (16,), "head_sizes": (), "learning_rate": 0.02, "epochs": 30}
CONFIGURATIONS = [
    MultiTaskRegressor(epochs=30),
    MultiTaskRegressor(**LEARNS, sharing_depth=0, dropout=0.1),
    MultiTaskRegressor(
        trunk_sizes=(16,),
        head_sizes=(8,),
        loss="huber",
        loss_weights="uncertainty",
        share_output=True,
        freeze_trunk=True,
        learning_rate=0.02,
        epochs=100,
        batch_size=256,
        early_stopping=False,
    ),
]


# Whether anything has trained the trunk does not matter here.
@pytest.mark.filterwarnings("ignore:freeze_trunk=True, but init_trunk=None:UserWarning")
@parametrize_with_checks(
    CONFIGURATIONS,
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": (
            "compares weights with repeated rows at 1e-7: training is in single precision "
            "and in minibatches, which repeated rows divide otherwise"
        )
    },
)
def test_common_checks(estimator, check):
    check(estimator)


def test_is_a_regressor_for_several_targets():
    tags = get_tags(small())

    assert is_regressor(small())
    assert tags.estimator_type == "regressor"
    assert tags.target_tags.required
    assert tags.target_tags.multi_output
    assert tags.target_tags.single_output
    assert tags.input_tags.allow_nan


def test_parameters_are_those_of_the_signature_and_keyword_only():
    parameters = inspect.signature(MultiTaskRegressor).parameters.values()

    assert {p.kind for p in parameters} == {inspect.Parameter.KEYWORD_ONLY}
    assert MultiTaskRegressor().get_params() == {p.name: p.default for p in parameters}


def test_set_params_counts_from_the_next_fit_on(table):
    X, Y = table
    estimator = small(early_stopping=False).fit(X, Y)
    before = estimator.predict(X)

    estimator.set_params(epochs=2, sharing_depth=0)

    np.testing.assert_array_equal(estimator.predict(X), before)
    fresh = small(early_stopping=False, epochs=2, sharing_depth=0).fit(X, Y)
    assert_same_predictions(estimator.fit(X, Y), fresh, X)


def test_clone_is_unfitted_and_fits_alike(table, fitted):
    X, Y = table

    copied = clone(fitted)

    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "n_iter_")
    assert_same_predictions(copied.fit(X, Y), fitted, X)


def test_clone_copies_an_optimizer(table):
    X, Y = table
    optimizer = keras.optimizers.Adam(0.03)
    estimator = small(optimizer=optimizer).fit(X, Y)

    copied = clone(estimator)

    assert copied.optimizer is not optimizer
    assert_same_predictions(copied.fit(X, Y), estimator, X)
    assert_same_predictions(small(learning_rate=0.03).fit(X, Y), estimator, X)
    assert not optimizer.built, "the instance itself must not train"


def test_repr_shows_what_was_set():
    estimator = MultiTaskRegressor(epochs=7, trunk_sizes=(8,))

    assert repr(estimator) == "MultiTaskRegressor(epochs=7, trunk_sizes=(8,))"
    assert eval(repr(estimator)).get_params() == estimator.get_params()


def test_html_repr(fitted):
    for estimator in (small(), fitted, make_pipeline(StandardScaler(), fitted)):
        assert "MultiTaskRegressor" in estimator_html_repr(estimator)


def test_behind_a_column_transformer(table):
    X, Y = table
    frame, _ = as_frames(X, Y)
    frame = frame.assign(kind=np.where(X[:, 3] > 0, "high", "low"))
    frame.loc[5, "mass"] = np.nan
    transformer = make_column_transformer(
        (OneHotEncoder(), ["kind"]), (SimpleImputer(), ["age", "mass", "heat"])
    )

    pipeline = make_pipeline(transformer, small()).fit(frame, Y)

    encoded = transformer.fit_transform(frame)
    np.testing.assert_array_equal(
        pipeline.predict(frame), small().fit(encoded, Y).predict(encoded)
    )
    assert pipeline.score(frame, Y) == small().fit(encoded, Y).score(encoded, Y)


@pytest.mark.parametrize("share", [0, 0.3])
def test_cross_validation_is_fit_and_score_on_each_split(table, share):
    X, Y = table
    Y = with_holes(Y, share)

    scores = cross_validate(small(), X, Y, cv=CV, return_train_score=True)
    predictions = cross_val_predict(small(), X, Y, cv=CV)

    for i, (train, test) in enumerate(CV.split(X)):
        estimator = small().fit(X[train], Y[train])
        assert_close(predictions[test], estimator.predict(X[test]))
        for name, rows in (("test_score", test), ("train_score", train)):
            expected = estimator.score(X[rows], Y[rows])
            np.testing.assert_allclose(scores[name][i], expected, rtol=1e-5)


def test_grid_search_over_a_step_of_a_pipeline(table):
    X, Y = table
    pipeline = make_pipeline(StandardScaler(), small())
    depths = [0, 1]

    search = GridSearchCV(pipeline, {"multitaskregressor__sharing_depth": depths}, cv=CV)
    search.fit(X, Y)

    means = [
        cross_validate(
            make_pipeline(StandardScaler(), small(sharing_depth=depth)), X, Y, cv=CV
        )["test_score"].mean()
        for depth in depths
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], means, rtol=1e-5)
    best = depths[int(np.argmax(means))]
    assert search.best_params_ == {"multitaskregressor__sharing_depth": best}
    refitted = make_pipeline(StandardScaler(), small(sharing_depth=best)).fit(X, Y)
    assert_same_predictions(search, refitted, X)


def test_randomized_search_finds_the_rate_that_learns(table):
    X, Y = table
    rates = [1e-9, 0.03]

    search = RandomizedSearchCV(
        small(epochs=20), {"learning_rate": rates}, n_iter=2, cv=CV, random_state=0
    ).fit(X, Y)

    assert search.best_params_ == {"learning_rate": 0.03}


def test_permutation_importance_sees_which_feature_matters():
    X, _ = make_table()
    Y = X[:, [2, 2, 2]] * [1, -2, 3]
    estimator = small(epochs=60).fit(X, Y)

    importance = permutation_importance(
        estimator, X, Y, n_repeats=2, random_state=0
    ).importances_mean

    assert importance.argmax() == 2
    assert importance[2] > 5 * np.abs(np.delete(importance, 2)).max()


def test_transformed_target(table):
    X, Y = table
    Y = np.exp(Y / Y.std(axis=0))

    estimator = TransformedTargetRegressor(small(), func=np.log, inverse_func=np.exp)
    estimator.fit(X, Y)

    inner = small().fit(X, np.log(Y))
    np.testing.assert_allclose(
        estimator.predict(X), np.exp(inner.predict(X)), rtol=1e-4, atol=1e-6
    )


def test_results_do_not_depend_on_n_jobs_and_backend(table):
    X, Y = table
    grid = {"sharing_depth": [0, 1]}

    def results():
        search = GridSearchCV(small(epochs=10), grid, cv=CV, return_train_score=True)
        search.fit(X, Y)
        return (
            search.cv_results_["split0_test_score"],
            search.cv_results_["split1_test_score"],
            search.cv_results_["mean_train_score"],
            cross_val_predict(small(dropout=0.2, random_state=3), X, Y, cv=CV),
        )

    serial = results()

    for backend in ("threading", "loky"):
        with parallel_config(backend=backend, n_jobs=2):
            parallel = results()
        for there, here in zip(parallel, serial, strict=True):
            np.testing.assert_allclose(there, here, rtol=1e-5)


@pytest.mark.parametrize("per_target", [False, True])
def test_sample_weight_is_routed(table, per_target):
    X, Y = table
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 5, Y.shape if per_target else len(Y)).astype(float)

    with config_context(enable_metadata_routing=True):
        estimator = small().set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(), clone(estimator))
        results = [
            cross_validate(
                model,
                X,
                Y,
                cv=CV,
                params={"sample_weight": weight},
                return_estimator=True,
            )
            for model in (estimator, pipeline)
        ]
        pipeline.fit(X, Y, sample_weight=weight)

    assert_same_predictions(pipeline, small().fit(X, Y, sample_weight=weight), X)
    for i, (train, test) in enumerate(CV.split(X)):
        expected = small().fit(X[train], Y[train], sample_weight=weight[train])
        score = expected.score(X[test], Y[test], sample_weight=weight[test])
        unweighted = small().fit(X[train], Y[train])
        for result in results:
            assert_same_predictions(result["estimator"][i], expected, X)
            np.testing.assert_allclose(result["test_score"][i], score, rtol=1e-5)
            assert_differ(result["estimator"][i], unweighted, X)


def test_same_random_state_is_the_same_network_whatever_ran_before(table, fitted):
    X, Y = table
    keras.utils.set_random_seed(5)
    small(random_state=8, dropout=0.5).fit(X[:40], Y[:40])

    again = small().fit(X, Y)

    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert again.history_ == fitted.history_


def test_another_random_state_is_another_network(table, fitted):
    X, Y = table
    a, b = (small(random_state=None).fit(X, Y) for _ in range(2))

    assert_differ(fitted, small(random_state=1).fit(X, Y), X)
    assert_differ(a, b, X)


def test_a_random_state_instance_goes_on_from_fit_to_fit(table):
    X, Y = table
    instance = np.random.RandomState(3)
    first, second = (small(random_state=instance).fit(X, Y) for _ in range(2))

    again = small(random_state=np.random.RandomState(3)).fit(X, Y)

    assert_same_predictions(again, first, X)
    assert_differ(second, first, X)


def _draw():
    """From every global source of random numbers."""
    return [
        random.random(),
        np.random.random(),  # noqa: NPY002
        float(tf.random.uniform(())),
        float(tf.random.get_global_generator().uniform(())),
    ]


def _seed():
    keras.utils.set_random_seed(3)  # Python's, NumPy's and TensorFlow's
    tf.random.get_global_generator().reset_from_seed(3)


@pytest.mark.parametrize("random_state", [0, None])
def test_global_random_state_is_neither_used_nor_changed(table, random_state):
    X, Y = table
    _seed()
    expected = _draw()

    _seed()
    estimator = small(
        random_state=random_state,
        dropout=0.2,
        callbacks=[keras.callbacks.EarlyStopping("loss")],
    ).fit(X, Y)
    estimator.partial_fit(X, Y).predict(X)
    assert estimator.model_

    assert _draw() == expected


def test_deterministic_operations_are_not_switched_on(fitted):
    tf.random.set_seed(None)

    # With determinism on, TensorFlow refuses to draw without a seed.
    tf.random.uniform(())


def test_fit_and_predict_print_nothing(table, capfd):
    X, Y = table

    small().fit(X, Y).partial_fit(X, Y).predict(X)

    assert capfd.readouterr() == ("", "")


def test_verbose_shows_a_progress_bar_with_the_losses(table, capfd):
    X, Y = table

    small(verbose=1).fit(X, Y)
    out, err = capfd.readouterr()

    assert out == ""
    assert f"{SMALL['epochs']}/{SMALL['epochs']}" in err
    assert " loss=" in err
    assert "val_loss=" in err
