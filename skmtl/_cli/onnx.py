"""The best pipeline of a search as an ONNX graph, from the columns of a table."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from . import InputError


def is_onnx(path: str | None) -> bool:
    return path is not None and path.lower().endswith(".onnx")


def check_onnx(compared: bool) -> None:
    """Find out before the search what would stop a graph from being written after it.

    ``compared`` is whether other models than networks may turn out best.
    """
    if compared:
        raise InputError(
            "--output to a file .onnx is of networks alone, but with --compare boosted "
            "trees may be best: name a file .joblib, or leave --compare out"
        )
    if importlib.util.find_spec("skl2onnx") is None:
        raise InputError(
            "--output to a file .onnx needs skl2onnx: pip install 'skmtl[onnx]', or name a "
            "file .joblib"
        )


def onnx_bytes(pipeline: Pipeline, X: pd.DataFrame) -> bytes:
    """The fitted pipeline for one input per column: numbers (float64), or texts.

    A missing number is NaN, a missing text the empty one.
    """
    from ..onnx import to_onnx

    numbers = X.select_dtypes("number").columns
    row = pipeline[0].transform(X[:1]).astype(dict.fromkeys(numbers, np.float64))
    return to_onnx(pipeline[-1], row).SerializeToString()
