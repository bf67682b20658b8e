"""My table has text, categories and gaps. How does it become a service that predicts?

Without an encoder and an imputer: the estimator reads the DataFrame as it is. Repairs of a
workshop, what they took and cost; a third of the costs is not known yet::

    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> n = 600
    >>> part = rng.choice(["brake", "engine", "gearbox", "lamp"], n)
    >>> age = rng.integers(0, 20, n).astype(float)
    >>> work = pd.Series(part).map({"brake": 3, "engine": 9, "gearbox": 7, "lamp": 1})
    >>> hours = work + 0.1 * age + rng.normal(scale=0.5, size=n)
    >>> repairs = pd.DataFrame(
    ...     {
    ...         "part": part,
    ...         "town": rng.choice(["Bonn", "Kiel", "Ulm", None], n),
    ...         "age": np.where(rng.random(n) < 0.1, np.nan, age),
    ...         "hours": hours,
    ...         "cost": 60 * hours + rng.normal(scale=30, size=n),
    ...     }
    ... )
    >>> repairs.loc[::3, "cost"] = np.nan

Text is a category; a missing number or category is one more thing to learn from; a target
that is NaN is left out of everything::

    >>> from sklearn.model_selection import train_test_split
    >>> from skmtl import MultiTaskRegressor
    >>> X, y = repairs[["part", "town", "age"]], repairs[["hours", "cost"]]
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = MultiTaskRegressor(epochs=60, random_state=0).fit(X_train, y_train)
    >>> model.score(X_test, y_test) > 0.9  # R2, of the observed cells
    True

scikit-learn's own scorers refuse NaN; these do not, and there is one for every target::

    >>> from sklearn.model_selection import cross_validate
    >>> from skmtl.metrics import target_scorers
    >>> quick = MultiTaskRegressor(epochs=5, random_state=0)
    >>> scores = cross_validate(quick, X, y, cv=3, scoring=target_scorers())
    >>> [name for name in scores if name.startswith("test_")]
    ['test_mean', 'test_hours', 'test_cost']

What goes into service needs no optimizer, and no TensorFlow: it predicts by NumPy::

    >>> import tempfile
    >>> from pathlib import Path
    >>> import joblib
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = Path(folder.name) / "repairs.joblib"
    >>> _ = joblib.dump(model.for_prediction(), file)
    >>> served = joblib.load(file)
    >>> bool((served.predict(X_test) == model.predict(X_test)).all())
    True
    >>> folder.cleanup()

A row comes as a DataFrame with the same columns. A level that the fit did not see counts
as a missing one, and what cannot be meant is refused by name::

    >>> row = pd.DataFrame({"part": ["engine"], "town": ["Rome"], "age": [np.nan]})
    >>> hours, cost = served.predict(row)[0].tolist()
    >>> 8 < hours < 12, 480 < cost < 720
    (True, True)
    >>> served.predict(row.drop(columns="age"))
    Traceback (most recent call last):
    ...
    ValueError: The feature names should match those that were passed during fit.
    Feature names seen at fit time, yet now missing:
    - age
    <BLANKLINE>

Limits
------
- Pickles hold for the versions that wrote them, of scikit-learn and of this package, and
  are for files that you trust. For years, or for other languages, see `other_languages`.
- Dates, free text and categories that are spelt in many ways need features first, such as
  those of skrub's ``TableVectorizer(low_cardinality="passthrough")`` in a Pipeline.
- A DataFrame of one row takes about a millisecond, most of it for pandas and checks; an
  array of numbers takes 0.05.
- A network goes on beyond what it was trained on in some way of its own. For how sure it
  is, see `skmtl.calibration`, for drift of features a tool that watches them.
"""
