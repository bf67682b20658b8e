"""I have several targets. Does one network for all of them help, and which targets?

Let the data say. `SharingDepthSearchCV` is a `GridSearchCV` over the number of layers that
are shared, and compares each with separate networks (depth 0), fold by fold and row by row.
Concrete mixtures, three properties::

    >>> from sklearn.model_selection import RepeatedKFold
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_slump
    >>> from skmtl.model_selection import SharingDepthSearchCV, sharing_verdict
    >>> X, y = load_slump(return_X_y=True, as_frame=True)
    >>> network = MultiTaskRegressor(trunk_sizes=(32,), head_sizes=(16,), epochs=30)
    >>> _ = network.set_params(n_bins=0, random_state=0)
    >>> folds = RepeatedKFold(n_splits=4, n_repeats=2, random_state=0)
    >>> search = SharingDepthSearchCV(network, cv=folds).fit(X, y)
    >>> sorted(search.cv_results_["param_sharing_depth"].tolist())
    [0, 1, 2]

Gains in R2 over separate networks, by depth and target, with standard errors from paired
errors of single rows, and the number of folds that gained::

    >>> search.sharing_gain_.columns.levels[0].tolist()
    ['gain', 'se', 'n_gained']
    >>> print(sharing_verdict(search))  # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    Sharing ... of 2 hidden layers makes no clear difference on average: it ... 0.0... in R2
    (standard error 0.0...). It makes no clear difference for any single target.

The verdict allows for the number of targets and depths, so that chance seldom says "clear".
No difference is an answer, too: then share, as one trunk costs less time than separate
networks.

Did targets pull in different directions? What a step on one target's loss does to the
others' is their affinity, and `suggest_groups` makes groups of those that help each other::

    >>> from skmtl.model_selection import suggest_groups, task_affinity
    >>> affinity = task_affinity(search.best_estimator_, X, y)
    >>> groups = suggest_groups(affinity, n_groups=2)
    >>> sorted(target for group in groups for target in group) == sorted(y)
    True

**Is it a case for a network at all?** The mean, ridge regression, boosted trees and the
network at each depth, judged the same way for each target; of a search that was fitted, the
networks' scores are taken from there::

    >>> from sklearn.linear_model import LinearRegression
    >>> from skmtl.model_selection import model_verdict
    >>> linear = [("linear regression", LinearRegression())]  # without it: ridge and trees
    >>> verdict = model_verdict(search, X, y, models=linear)
    >>> verdict.best["slump"] == "the mean"
    False

``print(verdict)`` says it in words, and which differences are clear.

Limits
------
- Errors of rows that were used to choose a depth flatter that depth a little; the verdict
  is on differences. For a score to report keep rows apart, or nest searches.
- With a hundred rows, gains below some 0.05 in R2 cannot be told from chance; repeat folds
  (``n_repeats``), which helps against the chance of splits and not against that of rows.
- Expect little from experts, adaptive loss weights and groups where plain sharing does not
  help: README has what they gained on 26 tables.
"""
