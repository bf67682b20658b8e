"""The best pipeline of a search as an ONNX graph, from the columns of a table."""

from __future__ import annotations

import copy
import importlib.util

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from . import InputError
from .search import MAX_CATEGORIES, as_text


def is_onnx(path: str | None) -> bool:
    return path is not None and path.lower().endswith(".onnx")


def check_onnx(X: pd.DataFrame) -> None:
    """Find out before the search what would stop a graph from being written after it."""
    if importlib.util.find_spec("skl2onnx") is None:
        raise InputError(
            "--output to a file .onnx needs skl2onnx: pip install 'skmtl[onnx]', or name a "
            "file .joblib"
        )
    n_values = X.select_dtypes(exclude="number").nunique()
    for name in n_values.index[n_values > MAX_CATEGORIES]:
        raise InputError(
            f"column {name!r} has {n_values[name]} different texts, of which an ONNX graph "
            f"holds at most {MAX_CATEGORIES}: --drop it, or name a file .joblib"
        )


def onnx_bytes(pipeline: Pipeline, X: pd.DataFrame) -> bytes:
    """The fitted pipeline for one input per column: numbers (float64), or texts.

    A missing number is NaN, a missing text the empty one.
    """
    from ..onnx import to_onnx

    encoder = copy.deepcopy(pipeline[0])
    encoder.transformers_ = [
        (name, _convertible(part), columns) for name, part, columns in encoder.transformers_
    ]
    numbers = X.select_dtypes("number").astype(np.float64)
    texts = as_text(X.drop(columns=numbers.columns)).fillna("")
    row = pd.concat([numbers, texts], axis=1)[X.columns]
    return to_onnx(
        Pipeline([("encode", encoder), pipeline.steps[-1]]), row
    ).SerializeToString()


def _convertible(part):
    """A step of the encoder in the place of which there are operators."""
    from ..onnx import ImputerOfNumbers

    if isinstance(part, SimpleImputer):
        imputer = ImputerOfNumbers(**part.get_params())
        vars(imputer).update(vars(part))
        return imputer
    if not isinstance(part, Pipeline):
        return part
    one_hot = part[-1]  # behind what makes texts of a column, which ONNX has already
    one_hot.categories_ = [
        np.array(["" if pd.isna(value) else value for value in values], dtype=object)
        for values in one_hot.categories_
    ]
    return one_hot
