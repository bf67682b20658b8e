"""Tables of numbers, or errors that say which column is none; features are finite, too."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import validate_data

from .._messages import listed
from .arrays import as_numbers


def check_features(estimator, X, *, reset: bool) -> np.ndarray:
    """X as a numeric (n, d) array; sets or checks the estimator's feature names."""
    import pandas as pd
    if isinstance(X, pd.DataFrame):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        mask=np.array([not (pd.api.types.is_numeric_dtype(d) and d!=bool) for d in X.dtypes])
        if reset:
            estimator.is_categorical_ = mask if mask.any() else None
            estimator.categories_={c: pd.unique(X[c].dropna().astype(object)) for c in X.columns[mask]}
        out=np.empty(X.shape)
        for i,c in enumerate(X.columns):
            if c in estimator.categories_:
                k=pd.Index(estimator.categories_[c]).get_indexer(X[c].astype(object)).astype(float)
                k[k<0]=np.nan; out[:,i]=k
            else: out[:,i]=X[c].to_numpy(np.float64,na_value=np.nan)
        return out
    if reset:
        estimator.is_categorical_, estimator.categories_ = None, {}
    if not reset and _is_plain(X, estimator) and _is_finite(X):
        return X
    X = as_numbers(
        X,
        "X",
        "Features are numbers: encode such columns in a Pipeline, for example with "
        "ColumnTransformer and OneHotEncoder.",
    )
    X = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False)
    if not _is_finite(X):
        names = getattr(estimator, "feature_names_in_", np.arange(X.shape[1]))
        nan = np.isnan(X).any(axis=0)
        infinite = np.isinf(X).any(axis=0)
        remedy = (
            "mpute it in a Pipeline, for example make_pipeline(SimpleImputer(), "
            "MultiTaskRegressor())."
        )
        if nan.any():
            raise ValueError(f"X contains NaN in {listed('column', names[nan])}. I{remedy}")
        raise ValueError(
            f"X contains infinity in {listed('column', names[infinite])}. Make it NaN and "
            f"i{remedy}"
        )
    return X


def _is_plain(X, estimator) -> bool:
    """Whether scikit-learn's checks would pass X on: they take longer than the network."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.kind == "f"
        and X.shape[1] == estimator.n_features_in_
        and len(X) > 0
        and not hasattr(estimator, "feature_names_in_")
    )


def _is_finite(X: np.ndarray) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        # One pass without a temporary array; only the sum may have overflowed.
        return bool(np.isfinite(np.sum(X, dtype=np.float64)) or np.isfinite(X).all())
