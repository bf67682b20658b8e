"""Numbers as parameters: True and False, which Python counts among them, are none."""

from __future__ import annotations

from numbers import Integral

from ._third_party import Interval


class Number(Interval):
    """A constraint of scikit-learn: a number in an interval, not a bool."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool) and super().is_satisfied_by(val)


def is_int(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
