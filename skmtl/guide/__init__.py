"""Recipes that run: each page starts with a question, and its code is tested.

Read one with ``help(skmtl.guide.forecasting)``, or in a shell with
``python -m pydoc skmtl.guide.forecasting``.

service
    From a raw table to a service that predicts.
missing_labels
    Most labels are missing: 50 assays, of which each compound was put to ten.
many_rows
    Regression of ten thousand to millions of rows: the torques of a robot.
forecasting
    Many horizons, and many series, by one network.
sharing
    Does one network for all targets help, and which?
stacking
    Networks and boosted trees together, by target.
other_languages
    An ONNX graph, read from JavaScript, C# or Java.
"""

from . import (
    forecasting,
    many_rows,
    missing_labels,
    other_languages,
    service,
    sharing,
    stacking,
)

__all__ = [
    "forecasting",
    "many_rows",
    "missing_labels",
    "other_languages",
    "service",
    "sharing",
    "stacking",
]
