"""Networks as dictionaries, lists and arrays, for files.

What is in a file has the names of the classes, not of the modules that they live in: these
may be moved without a file that no longer loads.
"""

from __future__ import annotations

import dataclasses

from .architecture import Architecture
from .heads import HeadKind
from .inputs import Inputs
from .network import Network, OptimizerState
from .scaling import Scaling
from .units import Units
from .weights import Layer, Weights

KIND = "kind"  # the entry with the name of the class
_CLASSES = {
    cls.__name__: cls
    for cls in (
        *(Network, Architecture, OptimizerState, Inputs, Units, Scaling, Weights, Layer),
        *HeadKind.__subclasses__(),
    )
}


def as_plain(value, seen: dict | None = None):
    """Dictionaries in place of the network's classes, whatever holds them.

    What is one object in several places is one dictionary in them all.
    """
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)][1]
    result = value
    if _CLASSES.get(type(value).__name__) is type(value):
        names = (
            value._fields
            if isinstance(value, tuple)
            else [field.name for field in dataclasses.fields(value)]
        )
        result = {name: as_plain(getattr(value, name), seen) for name in names}
        result[KIND] = type(value).__name__
    elif type(value) in (list, tuple):
        result = type(value)(as_plain(item, seen) for item in value)
    seen[id(value)] = value, result  # the value, too, lest its id is given to another
    return result


def from_plain(value, seen: dict | None = None):
    """What `as_plain` was given."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)][1]
    result = value
    if isinstance(value, dict) and KIND in value:
        entries = {name: v for name, v in value.items() if name != KIND}
        cls = _CLASSES[value[KIND]]
        result = cls(**{name: from_plain(v, seen) for name, v in entries.items()})
    elif type(value) in (list, tuple):
        result = type(value)(from_plain(item, seen) for item in value)
    seen[id(value)] = value, result
    return result
