"""What to tune, and between which values."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from scipy import stats
from sklearn.base import clone

from .._third_party import HasMethods, StrOptions
from .._types import validate_params
from ._search import _deepest, _depth_parameter

WIDER = 1.5
USUAL = {"learning_rate": 1e-3, "weight_decay": 0.5}  # where the estimator has no number


@validate_params(
    {
        "estimator": [HasMethods(["fit", "get_params"])],
        "library": [StrOptions({"scipy", "optuna"})],
    },
    prefer_skip_nested_validation=False,
)
def search_space(
    estimator: Any, *, library: Literal["scipy", "optuna"] = "scipy"
) -> dict[str, Any]:
    """Say which parameters of a network to search, and between which values.

    They are those that made a difference on some tables in ``benchmarks/DEFAULTS.md``, for
    better or worse, around the estimator's own values:

    - ``sharing_depth``: from 0 to all hidden layers;
    - ``trunk_sizes``: as they are, or half as many units again;
    - ``learning_rate``: half to three times the estimator's, evenly in the logarithm;
    - ``weight_decay``: a fifth to three times, likewise;
    - ``dropout``: 0 or 0.1;
    - ``activation``: "relu" or "gelu";
    - ``n_bins``: "auto" or 0.

    It takes some 25 candidates: then one of the best tenth is among them with a probability
    of 1 - 0.9^25 = 93 %.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier, or a Pipeline or other wrapper
        With one network in it, whose name goes before those of the parameters.
    library : {"scipy", "optuna"}, default="scipy"
        Whose distributions: for `RandomizedSearchCV` and scikit-learn's halving searches,
        or for ``OptunaSearchCV``, which needs Optuna.

    Returns
    -------
    dict
        Lists and distributions by the names of the parameters.

    Raises
    ------
    ValueError
        If there is no network in the estimator, or there are several.
    ImportError
        If Optuna is asked for and not installed.

    See Also
    --------
    SharingDepthSearchCV : Tries every depth, and nothing else unless it is told.

    Notes
    -----
    With 1000 rows, three targets and three folds, a candidate takes 8 CPU seconds where
    early stopping ends a fit soon, half of them for compilation, but 20 to 35 where the
    loss keeps falling, and more for separate networks: 25 take three to twelve CPU minutes.
    Below 5000 rows, a search that gives the best third thrice as many epochs, and again,
    found one as good in a quarter of that, 85 seconds on two cores
    (``python -m benchmarks.space --halving --jobs 2``)::

        from sklearn.experimental import enable_halving_search_cv
        from sklearn.model_selection import HalvingRandomSearchCV

        HalvingRandomSearchCV(
            model, search_space(model), n_candidates=25, resource="epochs",
            min_resources=44, max_resources=400,
        )

    With ``n_jobs=2``, search under ``joblib.parallel_config(backend="threading")``: threads
    share the compiled programs. `max_seconds` of the network bounds a fit.

    What was found is a good part of a stack, beside the default network and not in its
    place. On five tables of 82 to 614 rows the default stack with it had 0.983 of the error
    of that without it, and 1.009 at most (``benchmarks/DEFAULTS.md``)::

        MultiTaskStackingRegressor([
            ("network", MultiTaskRegressor(n_members=8)),
            ("tuned", search.best_estimator_.set_params(n_members=8, epochs="auto")),
            ("trees", ExtraTreesRegressor(200)),
            ("boosting", HistGradientBoostingRegressor()),
        ])

    The score of the best of many candidates is too high: score the search itself on folds
    of its own, or on rows that it has not seen.

    Examples
    --------
    >>> from sklearn.model_selection import RandomizedSearchCV
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_slump
    >>> from skmtl.model_selection import search_space
    >>> X, y = load_slump(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(trunk_sizes=(16,), head_sizes=(8,), epochs=5)
    >>> space = search_space(model)
    >>> space["trunk_sizes"], space["sharing_depth"]
    ([(16,), (24,)], [0, 1, 2])
    >>> search = RandomizedSearchCV(model, space, n_iter=2, cv=2, random_state=0)
    >>> sorted(search.fit(X, y).best_params_) == sorted(space)
    True
    """
    name = _depth_parameter(estimator)
    prefix = name.removesuffix("sharing_depth")
    parameters = clone(estimator).get_params()
    sizes = tuple(parameters[f"{prefix}trunk_sizes"])
    choices: dict[str, list] = {
        "sharing_depth": list(range(_deepest(parameters, name) + 1)),
        "dropout": [0.0, 0.1],
        "activation": ["relu", "gelu"],
        "n_bins": ["auto", 0],
    }
    if sizes:
        choices["trunk_sizes"] = [sizes, tuple(round(WIDER * size) for size in sizes)]
    rate, decay = (_number(parameters[f"{prefix}{key}"], USUAL[key]) for key in USUAL)
    ranges = {"learning_rate": (rate / 2, 3 * rate), "weight_decay": (decay / 5, 3 * decay)}
    made = (
        _of_optuna(choices, ranges) if library == "optuna" else _of_scipy(choices, ranges)
    )
    return {f"{prefix}{key}": value for key, value in made.items()}


def _number(value, usual: float) -> float:
    """The estimator's own, unless it is a schedule, or nothing."""
    return (
        float(value) if isinstance(value, int | float | np.number) and value > 0 else usual
    )


def _of_scipy(choices: dict, ranges: dict) -> dict[str, Any]:
    return {**choices, **{key: stats.loguniform(*ends) for key, ends in ranges.items()}}


def _of_optuna(choices: dict, ranges: dict) -> dict[str, Any]:
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution
    except ImportError as error:
        raise ImportError(
            "library='optuna' needs Optuna, which is not installed: pip install optuna "
            "'optuna-integration[sklearn]', or choose library='scipy'."
        ) from error
    with warnings.catch_warnings():
        # Layer sizes are tuples, which a study in memory takes (Optuna 4, 2026-11).
        warnings.filterwarnings("ignore", "Choices for a categorical", UserWarning)
        of_choices = {key: CategoricalDistribution(own) for key, own in choices.items()}
    of_ranges = {
        key: FloatDistribution(low, high, log=True) for key, (low, high) in ranges.items()
    }
    return {**of_choices, **of_ranges}
