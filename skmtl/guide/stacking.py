"""Trees are better for some targets, networks for others. Must I choose?

No: a stack weighs both, for each target, by predictions out of fold. By default its parts
are a network, boosted trees and, up to 5000 rows, extra trees and a linear model. Concrete
mixtures, with parts that are small, so that this page is quick::

    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import train_test_split
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_slump
    >>> from skmtl.ensemble import MultiTaskStackingRegressor
    >>> X, y = load_slump(return_X_y=True, as_frame=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> parts = [
    ...     ("network", MultiTaskRegressor(epochs=60)),
    ...     ("trees", ExtraTreesRegressor(50)),
    ...     ("linear", LinearRegression()),
    ... ]
    >>> stack = MultiTaskStackingRegressor(parts, cv=4, random_state=0)
    >>> stack = stack.fit(X_train, y_train)

Weights of each target are not negative and sum to 1; ``weights_std_`` says how far 77 rows
tell them, which is not very far::

    >>> stack.weights_.sum(axis=1).round(6).tolist()
    [1.0, 1.0, 1.0]
    >>> stack.weights_.loc["compressive_strength"].idxmax() != "trees"
    True
    >>> bool(stack.weights_std_.max(axis=None) > 0.05)
    True

R2 out of fold of each part, of their plain mean, and of the stack itself::

    >>> scores = stack.out_of_fold_scores_.mean()
    >>> list(scores.index)
    ['network', 'trees', 'linear', 'equal weights', 'stack']
    >>> bool(scores["stack"] > scores[["network", "trees", "linear"]].min())
    True
    >>> stack.score(X_test, y_test) > 0.4  # as a part of it may do, too
    True

Any regressor may be a part, a Pipeline too. What knows one target is fitted to each, on the
rows where it is observed; networks once, to all. Holes, sample weights and groups are
welcome; `MultiTaskStackingClassifier` is the same for labels.

**Is it worth it?** `model_verdict(network, X, y, models=[("stack", stack), ...])` of
`skmtl.model_selection` compares it with other models; see `sharing`.

Limits
------
- Every part is fitted ``cv + 1`` times, those of one target for each target.
- The gain over the best part was 3 % of the error on five tables, that over the plain mean
  18 %. Where one part is clearly best, take it alone: it is simpler to serve.
- A stack is no ONNX graph. It pickles, and needs the packages of its parts.
"""
