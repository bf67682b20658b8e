"""What decides whether two fits share a program: code and settings, not names."""

import dataclasses
from functools import partial

import keras
import numpy as np
import pytest
from sklearn.base import clone

from skmtl._training import PROGRAMS, choose_optimizer, task_losses
from skmtl._training.optimizer import CompiledOptimizer
from tests._asserts import assert_differ
from tests._inputs import small


def key(loss):
    return task_losses(loss, ["a"])[0]


def of_optimizer(optimizer):
    return choose_optimizer(optimizer, 1e-3, 0.0, 0.0).config


@dataclasses.dataclass
class Scaled:
    """With a comparison, hence without a hash."""

    factors: list

    def __call__(self, y, f):
        return sum(self.factors) * (y - f) ** 2


def scaled(y, f, factors):
    return sum(factors) * (y - f) ** 2


class Unpicklable:
    def __init__(self):
        self.open = iter([1])
        self.generator = (i for i in range(3))

    def __eq__(self, other):
        return True

    def __call__(self, y, f):
        return (y - f) ** 2


@pytest.mark.parametrize(
    "make", [lambda f: Scaled(f), lambda f: partial(scaled, factors=f)]
)
def test_losses_of_equal_settings_share_a_program_though_they_have_no_hash(make):
    loss = make([1.0, 2.0])

    assert key(loss) == key(make([1.0, 2.0]))
    assert hash(key(loss)) == hash(key(make([1.0, 2.0])))
    assert key(loss) == key(clone(small(loss=loss)).loss)
    assert key(loss) != key(make([1.0, 3.0]))


def test_a_setting_that_changes_is_seen():
    loss = Scaled([1.0])
    before = key(loss)

    loss.factors.append(1.0)

    assert key(loss) != before


def test_what_cannot_be_pickled_is_equal_to_itself_alone():
    loss = Unpicklable()

    assert key(loss) == key(loss)
    assert key(loss) != key(Unpicklable())


def test_such_losses_train(table):
    X, Y = table

    expected = small(loss=[Scaled([1.0]), "mse", "squared_error"]).fit(X, Y).predict(X)

    np.testing.assert_allclose(small().fit(X, Y).predict(X), expected, rtol=1e-4)


LOSSES = """
import keras
from functools import partial

def helper(y, f):
    return {} * (y - f) ** 2

@keras.saving.register_keras_serializable("tests_keys")
class Registered(keras.losses.Loss):
    def call(self, y, f):
        return helper(y, f)

class Called:
    def __call__(self, y, f):
        return helper(y, f)

def with_options(y, f, by):
    return by(y, f)

losses = [
    helper,
    Registered(),
    Called(),
    Called().__call__,
    partial(helper),
    partial(with_options, by=helper),
]
"""


def notebook_cell(code, factor):
    namespace = {"__name__": "__main__"}
    exec(code.format(factor), namespace)
    return namespace


def test_a_loss_that_is_defined_anew_trains_with_its_new_code(table):
    before = notebook_cell(LOSSES, 1.0)["losses"]
    keys = [key(loss) for loss in before]
    after = notebook_cell(LOSSES, 2.0)["losses"]

    for old, loss in zip(keys, after, strict=True):
        assert key(loss) != old, loss
        assert key(loss) == key(loss)


OPTIMIZERS = """
import keras

@keras.saving.register_keras_serializable("tests_keys")
class Slow(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rate=0.01):
        self.rate = rate
    def __call__(self, step):
        return {} * self.rate
    def get_config(self):
        return dict(rate=self.rate)

@keras.saving.register_keras_serializable("tests_keys")
class Own(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step({} * gradient, variable, learning_rate)
"""


@pytest.mark.parametrize(
    "make",
    [
        lambda cell: cell["Own"](0.01),
        lambda cell: keras.optimizers.SGD(cell["Slow"]()),
    ],
)
def test_an_optimizer_that_is_defined_anew_trains_with_its_new_code(table, make):
    X, Y = table
    code = OPTIMIZERS.replace("{}", "({0})")
    first = make(notebook_cell(code, 1.0))
    old = small(optimizer=first, epochs=2).fit(X, Y)

    new = make(notebook_cell(code, 0.0))

    unmoved = small(optimizer=new, epochs=2).fit(X, Y)
    assert_differ(unmoved, old, X)
    np.testing.assert_allclose(unmoved.history_["loss"][0], unmoved.history_["loss"][1])
    # The instance that was made before has the old code.
    again = small(optimizer=first, epochs=2).fit(X, Y)
    np.testing.assert_array_equal(again.predict(X), old.predict(X))


@pytest.mark.parametrize("value", [0.5, 0.75, 1.5, 2.5])
@pytest.mark.parametrize("kind", [keras.optimizers.Adagrad, keras.optimizers.Ftrl])
def test_accumulators_may_start_anywhere(kind, value):
    config = of_optimizer(kind(0.1, initial_accumulator_value=value))
    shapes = [(2, 3), (3,), (3, 1)]

    state = CompiledOptimizer(config, shapes, [True] * 3).initial_state(
        [np.full(shape, 7.0, np.float32) for shape in shapes]
    )

    assert not any((array == 7).any() for array in state)
    assert sum((array == np.float32(value)).all() for array in state) == 3


@keras.saving.register_keras_serializable("tests_keys")
class LooksAhead(keras.optimizers.SGD):
    """Keeps slow weights, which start where the weights do."""

    def build(self, variables):
        super().build(variables)
        self.slow = [self.add_variable_from_reference(v, "slow") for v in variables]
        for slow, variable in zip(self.slow, variables, strict=True):
            slow.assign(variable)


def test_copies_start_at_the_weights():
    weights = [np.full((2, 3), 7.0, np.float32), np.full((3,), 8.0, np.float32)]
    shapes = [weight.shape for weight in weights]

    optimizer = CompiledOptimizer(of_optimizer(LooksAhead(0.1)), shapes, [True, False])

    *_, first, second = optimizer.initial_state(weights)
    np.testing.assert_array_equal(first, weights[0])
    np.testing.assert_array_equal(second, weights[1])


@pytest.mark.parametrize("floatx", ["float64", "float16"])
def test_no_default_type_of_keras_reaches_training(table, fitted, floatx):
    X, Y = table
    expected = small(callbacks=[keras.callbacks.History()]).fit(X, Y)
    PROGRAMS.clear()
    keras.config.set_floatx(floatx)
    try:
        plain = small().fit(X, Y).predict(X)
        called = small(callbacks=[keras.callbacks.History()]).fit(X, Y).predict(X)
        assert keras.config.floatx() == floatx
    finally:
        keras.config.set_floatx("float32")

    np.testing.assert_array_equal(plain, fitted.predict(X))
    np.testing.assert_array_equal(called, expected.predict(X))
