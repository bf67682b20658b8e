"""Should these targets share a network, how much, and which of them gain by it?

`SharingDepthSearchCV` cross-validates every sharing depth, `sharing_gain` says what each
does for each target, `sharing_verdict` which of these gains are clear. `model_verdict`
says which of ridge, trees and networks is best for which target. `task_affinity`
says who helps whom, `suggest_groups` makes groups of it. `cross_val_predict` predicts every
row by a network that has not seen it, also where targets have holes.
`MultiTargetStratifiedKFold` makes folds that are alike in all targets. `search_space` is
what to tune, by scikit-learn's `RandomizedSearchCV` or by Optuna::

    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.model_selection import SharingDepthSearchCV
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(
    ...     trunk_sizes=(16,), head_sizes=(8,), epochs=5, random_state=0
    ... )
    >>> search = SharingDepthSearchCV(model, cv=3).fit(X, y)
    >>> search.sharing_gain_["gain"].shape
    (3, 3)
"""

from ._affinity import task_affinity
from ._gain import sharing_gain
from ._groups import suggest_groups
from ._model_verdict import ModelVerdict, model_verdict
from ._predictions import cross_val_predict
from ._search import SharingDepthSearchCV
from ._space import search_space
from ._stratified import MultiTargetStratifiedKFold
from ._verdict import sharing_verdict

__all__ = [
    "ModelVerdict",
    "MultiTargetStratifiedKFold",
    "SharingDepthSearchCV",
    "cross_val_predict",
    "model_verdict",
    "search_space",
    "sharing_gain",
    "sharing_verdict",
    "suggest_groups",
    "task_affinity",
]
