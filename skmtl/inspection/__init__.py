"""Pictures of networks, of their training, and of what sharing does for each target.

They are scikit-learn's kind of display: made by ``from_search`` or ``from_estimator``,
drawn on new axes or on those given as ``ax=``, which are then the attributes ``ax_`` and
``figure_``. They need matplotlib: ``pip install 'skmtl[plot]'``. ::

    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_slump
    >>> from skmtl.inspection import NetworkDisplay, TrainingDisplay
    >>> X, y = load_slump(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
    >>> display = TrainingDisplay.from_estimator(model)  # doctest: +SKIP
    >>> display.figure_.savefig("training.png")  # doctest: +SKIP

- `SharingDepthDisplay`: which sharing depth is best;
- `SharingGainDisplay`: which targets gain by it;
- `TaskAffinityDisplay`: which targets help each other;
- `GatesDisplay`: which target uses which expert;
- `TrainingDisplay`: the losses of every epoch;
- `NetworkDisplay`: the trunk and the heads;
- `TargetImportanceDisplay`: which features each target is predicted from, by
  `target_importance`.
"""

from ._affinity import TaskAffinityDisplay
from ._depth import SharingDepthDisplay
from ._gain import SharingGainDisplay
from ._gates import GatesDisplay
from ._network import NetworkDisplay
from ._target_importance import TargetImportanceDisplay, target_importance
from ._training import TrainingDisplay

__all__ = [
    "GatesDisplay",
    "NetworkDisplay",
    "SharingDepthDisplay",
    "SharingGainDisplay",
    "TargetImportanceDisplay",
    "TaskAffinityDisplay",
    "TrainingDisplay",
    "target_importance",
]
