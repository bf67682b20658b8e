"""The words of errors: lists of names, near names, long names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches


def shortened(name, width: int, ellipsis: str = "...") -> str:
    """A name without its middle if it is longer than `width`: names may start alike."""
    name = " ".join(str(name).split())
    if len(name) <= width:
        return name
    kept = width - len(ellipsis)
    return f"{name[: kept - kept // 2]}{ellipsis}{name[len(name) - kept // 2 :]}"


def listed(noun: str, names: Sequence, most: int = 10) -> str:
    """``column 'a'``, ``columns 'a', 'b'``, or the first ten and how many more."""
    quoted = ", ".join(repr(str(name)) for name in list(names)[:most])
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {quoted}{more}"


def did_you_mean(name: str, known: Iterable[str], shown: Callable = repr) -> str:
    """`` Did you mean 'x'?`` with the known name nearest to this one, or nothing."""
    by_lower_case = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower_case, n=3, cutoff=0.5)
    # Of these first of all one with the same letters in another order.
    near.sort(key=lambda other: sorted(other) != sorted(name.lower()))
    return f" Did you mean {shown(by_lower_case[near[0]])}?" if near else ""
