"""Types that the signatures of several public functions name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _third_party

if TYPE_CHECKING:  # takes in TensorFlow, or is not installed everywhere
    import keras
    import matplotlib.axes


class Splitter(Protocol):
    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any: ...

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> Any: ...


# NumPy's ArrayLike does not know lists with None, which means "not observed".
Targets: TypeAlias = ArrayLike | Sequence[Any]
Floats: TypeAlias = NDArray[np.float64]

# Parameters of the estimators.
Sizes: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]
Groups: TypeAlias = Sequence[Sequence[Hashable]]
_Weights: TypeAlias = Mapping[Any, float] | Sequence[float] | NDArray[Any]
LossWeights: TypeAlias = str | _Weights | tuple[str, _Weights] | None
# A keras.losses.Loss is a callable; a tuple such as ("quantile", 0.9) is a sequence.
Loss: TypeAlias = str | Callable[..., Any] | Sequence[Any] | Mapping[Any, Any]
Scoring: TypeAlias = str | Sequence[str] | Mapping[Any, str]
ClassWeight: TypeAlias = (
    Literal["balanced"] | Mapping[Any, Any] | list[Any] | tuple[Any, ...] | None
)
Optimizer: TypeAlias = "str | keras.optimizers.Optimizer"
RandomState: TypeAlias = int | np.random.RandomState | None

# Of metrics: one score, rather than one for each target.
OneScore: TypeAlias = Literal["uniform_average"] | Sequence[float] | NDArray[Any]

Axes: TypeAlias = "matplotlib.axes.Axes"

Function = TypeVar("Function", bound=Callable[..., Any])


class _ChecksArguments(Protocol):
    def __call__(
        self, constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
    ) -> Callable[[Function], Function]: ...


# scikit-learn's decorator, which has no types: what it decorates keeps its own by this.
validate_params: _ChecksArguments = _third_party.validate_params
