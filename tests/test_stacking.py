"""Tasks with rows of their own, against tables put together by hand."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._tables.stacking import stack_tasks
from skmtl._training import PROGRAMS
from skmtl.model_selection import MultiTargetStratifiedKFold

rng = np.random.default_rng(0)
X_NORTH, X_SOUTH = rng.normal(size=(30, 3)), rng.normal(size=(12, 3))
Y_NORTH, Y_SOUTH = X_NORTH.sum(axis=1), X_SOUTH[:, 0] * 5
TASKS = {"north": (X_NORTH, Y_NORTH), "south": (X_SOUTH, Y_SOUTH)}

MODEL = MultiTaskRegressor(
    trunk_sizes=(5,),
    head_sizes=(3,),
    activation="tanh",
    learning_rate=0.05,
    epochs=4,
    batch_size=64,
    early_stopping=False,
    random_state=0,
)


def frame(X, columns="abc"):
    return pd.DataFrame(X, columns=list(columns))


def test_every_row_has_the_target_of_its_task_alone():
    X, Y = stack_tasks(TASKS)

    np.testing.assert_array_equal(X, np.vstack([X_NORTH, X_SOUTH]))
    assert list(Y.columns) == ["north", "south"]
    np.testing.assert_array_equal(Y["north"], [*Y_NORTH, *np.full(12, np.nan)])
    np.testing.assert_array_equal(Y["south"], [*np.full(30, np.nan), *Y_SOUTH])


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_sequence_of_pairs_gives_arrays(kind):
    X, Y = stack_tasks(kind(TASKS.values()))

    expected_X, expected_Y = stack_tasks(TASKS)
    assert type(Y) is np.ndarray
    np.testing.assert_array_equal(X, expected_X)
    np.testing.assert_array_equal(Y, expected_Y)


def test_there_are_as_many_rows_as_all_tasks_have():
    many = [(np.full((m, 2), m), np.full(m, m)) for m in (1, 5, 3, 1)]

    X, Y = stack_tasks(many)

    assert X.shape == (10, 2)
    assert Y.shape == (10, 4)
    np.testing.assert_array_equal((~np.isnan(Y)).sum(axis=0), [1, 5, 3, 1])
    np.testing.assert_array_equal((~np.isnan(Y)).sum(axis=1), 1)
    np.testing.assert_array_equal(np.nansum(Y, axis=1), X[:, 0])


def test_data_frames_are_matched_by_column_name():
    turned = frame(X_SOUTH)[["c", "a", "b"]]
    turned.index = np.arange(100, 112)

    X, Y = stack_tasks({"north": (frame(X_NORTH), Y_NORTH), "south": (turned, Y_SOUTH)})

    expected = np.vstack([X_NORTH, X_SOUTH])
    pd.testing.assert_frame_equal(X, frame(expected))
    assert len(X) == len(Y)
    assert X.index.is_unique


@pytest.mark.parametrize(
    "target",
    [
        Y_SOUTH.reshape(-1, 1),
        list(Y_SOUTH),
        pd.Series(Y_SOUTH, index=range(50, 62), name="other"),
        pd.DataFrame({"other": Y_SOUTH}, index=range(50, 62)),
    ],
    ids=["column", "list", "series", "frame"],
)
def test_targets_of_any_kind_go_by_position(target):
    _, Y = stack_tasks({"north": (X_NORTH, Y_NORTH), "south": (X_SOUTH, target)})

    np.testing.assert_array_equal(Y["south"][30:], Y_SOUTH)


def test_inputs_are_left_alone_and_shared_rows_stay_apart():
    X = X_SOUTH.copy()

    stacked, Y = stack_tasks([(X, Y_SOUTH), (X, -Y_SOUTH)])

    assert len(stacked) == 24  # the same rows in two tasks are rows of two tasks
    stacked[:] = 0
    Y[:] = 0
    np.testing.assert_array_equal(X, X_SOUTH)
    np.testing.assert_array_equal(Y_SOUTH, X_SOUTH[:, 0] * 5)


def test_an_unobserved_value_stays_one():
    y = Y_SOUTH.copy()
    y[3] = np.nan

    _, Y = stack_tasks([(X_NORTH, Y_NORTH), (X_SOUTH, y)])

    assert np.isnan(Y[33]).all()
    assert np.isnan(Y).all(axis=1).sum() == 1


def test_other_columns_give_an_error_that_lists_them():
    north = (frame(X_NORTH), Y_NORTH)
    other = frame(X_SOUTH, "abx")

    with pytest.raises(ValueError, match="'south' lack column 'c' and add column 'x'"):
        stack_tasks({"north": north, "south": (other, Y_SOUTH)})
    with pytest.raises(ValueError, match=r"'south' lack columns 'b', 'c'.*'north'"):
        stack_tasks({"north": north, "south": (frame(X_SOUTH)[["a"]], Y_SOUTH)})
    more = frame(X_SOUTH).assign(d=1, e=2)
    with pytest.raises(ValueError, match=r"'south' add columns 'd', 'e'.*'north'"):
        stack_tasks({"north": north, "south": (more, Y_SOUTH)})


def test_frames_and_arrays_do_not_mix():
    with pytest.raises(ValueError, match=r"DataFrames in all tasks or in none.*'south'"):
        stack_tasks({"north": (frame(X_NORTH), Y_NORTH), "south": (X_SOUTH, Y_SOUTH)})


def test_masked_values_are_missing():
    hidden = np.arange(len(Y_SOUTH)) % 3 == 0
    X, Y = stack_tasks(
        {
            "north": (np.ma.array(X_NORTH, mask=X_NORTH > 1), Y_NORTH),
            "south": (X_SOUTH, np.ma.array(Y_SOUTH.astype(int), mask=hidden)),
        }
    )

    np.testing.assert_array_equal(X[: len(X_NORTH)], np.where(X_NORTH > 1, np.nan, X_NORTH))
    south = Y["south"].to_numpy()[len(Y_NORTH) :]
    np.testing.assert_array_equal(south, np.where(hidden, np.nan, Y_SOUTH.astype(int)))


def test_what_is_no_task_names_it():
    dates = np.arange(len(Y_SOUTH)).astype("datetime64[D]")
    for X, y, words in [
        (X_SOUTH, dates, "target of task 'south' holds dates"),
        (X_SOUTH, pd.Series(dates - dates[0]), "target of task 'south' holds durations"),
        (X_SOUTH.astype("timedelta64[s]"), Y_SOUTH, "task 'south' are durations"),
    ]:
        with pytest.raises(ValueError, match=words):
            stack_tasks({"north": (X_NORTH, Y_NORTH), "south": (X, y)})
    for X, y in [(X_SOUTH, {"a": 1}), ((row for row in X_SOUTH), Y_SOUTH)]:
        with pytest.raises(TypeError, match="task 'south' is a"):
            stack_tasks({"north": (X_NORTH, Y_NORTH), "south": (X, y)})


def test_columns_of_other_frames_are_matched_by_name():
    X = pd.DataFrame(X_NORTH, columns=list("abc"))
    tables = [
        pa.table({name: frame[name] for name in frame}) for frame in (X, X[["c", "a", "b"]])
    ]

    stacked, _ = stack_tasks([(tables[0], Y_NORTH), (tables[1], Y_NORTH)])

    pd.testing.assert_frame_equal(stacked, pd.concat([X, X], ignore_index=True))


@pytest.mark.parametrize("X", [X_SOUTH[:, :2], X_SOUTH[:, 0], X_SOUTH[None]])
def test_arrays_of_other_widths_are_an_error(X):
    with pytest.raises(ValueError, match=r"'south'.*expected the same columns"):
        stack_tasks({"north": (X_NORTH, Y_NORTH), "south": (X, Y_SOUTH)})


@pytest.mark.parametrize(
    "y", [Y_SOUTH[:-1], np.column_stack([Y_SOUTH, Y_SOUTH]), Y_SOUTH[None], 1.0]
)
def test_a_target_of_another_length_is_an_error(y):
    with pytest.raises(ValueError, match=r"target of task 'south'.*expected \(12,\)"):
        stack_tasks({"north": (X_NORTH, Y_NORTH), "south": (X_SOUTH, y)})


def test_what_is_no_collection_of_tasks_is_an_error():
    with pytest.raises(ValueError, match="empty"):
        stack_tasks([])
    with pytest.raises(ValueError, match="empty"):
        stack_tasks({})
    with pytest.raises(TypeError, match="mapping or a sequence"):
        stack_tasks(3)


@pytest.mark.parametrize(
    "tasks", [(X_NORTH, Y_NORTH), {"north": X_NORTH}, [(X_NORTH, Y_NORTH, Y_NORTH)]]
)
def test_what_is_no_pair_is_an_error_that_says_so(tasks):
    with pytest.raises((TypeError, ValueError), match="pair"):
        stack_tasks(tasks)


# ---------------------------------------------------------------------------------------
# With the estimator


def test_separate_networks_on_stacked_tasks_are_those_of_each_task_alone():
    """With scaling fixed, nothing tells the stacked table from two fits."""
    X, Y = stack_tasks(TASKS)
    unscaled = clone(MODEL).set_params(
        sharing_depth=0, scale_features=False, optimizer="sgd"
    )

    together = clone(unscaled).fit(X, Y)
    # The same table again, with the other task's rows weighed by nothing.
    weights = np.repeat([1.0, 0.0], [30, 12])
    y = np.concatenate([Y_NORTH, np.zeros(12)])
    table = np.column_stack([y, y])
    alone = clone(unscaled).fit(X, table, sample_weight=weights)

    np.testing.assert_allclose(
        together.predict(X)[:, 0], alone.predict(X)[:, 0], rtol=1e-5, atol=1e-6
    )


def test_the_program_is_that_of_a_plain_table_of_as_many_rows():
    """A fit costs what its rows cost: same shapes, same batches, same program."""
    X, Y = stack_tasks(TASKS)
    clone(MODEL).fit(X, np.nan_to_num(Y))
    before = PROGRAMS.n_built

    clone(MODEL).fit(X, Y)

    assert PROGRAMS.n_built == before


@pytest.mark.parametrize("named", [True, False])
def test_folds_stratified_by_task_as_in_the_docstring(named):
    X, Y = stack_tasks(TASKS if named else list(TASKS.values()))

    folds = MultiTargetStratifiedKFold(5, random_state=0)

    for train, test in folds.split(X, Y):
        for rows, share in ((train, 0.8), (test, 0.2)):
            observed = (~np.isnan(np.asarray(Y)[rows])).sum(axis=0)
            np.testing.assert_allclose(observed, [30 * share, 12 * share], atol=1)
    scores = cross_validate(MODEL, X, Y, cv=folds, error_score="raise")["test_score"]
    assert np.isfinite(scores).all()


def test_plain_folds_may_lack_a_task_and_score_the_others():
    """The folds of the rows in their order: the south has no rows in the first ones."""
    X, Y = stack_tasks(TASKS)

    scores = cross_validate(MODEL, X, Y, cv=4, error_score="raise")["test_score"]

    assert np.isfinite(scores).all()


def test_stacked_tasks_can_be_searched_with_early_stopping():
    X, Y = stack_tasks(TASKS)
    stopping = clone(MODEL).set_params(early_stopping=True)
    folds = list(StratifiedKFold(3).split(X, np.repeat([0, 1], [30, 12])))

    search = GridSearchCV(
        stopping, {"sharing_depth": [0, 1]}, cv=folds, error_score="raise"
    ).fit(X, Y)

    assert search.predict(X).shape == (42, 2)
    assert list(search.best_estimator_.target_names_) == ["north", "south"]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
