"""Time for a search, shared out evenly among the fits that are left, and for others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

LEAST = 0.5  # of an even share of all: candidates that come late are not to be worse off


class InTime:
    """What evaluates candidates of a search, and then what fits the best, in some seconds.

    Each fit gets its share by a parameter of the estimator. Candidates are evaluated a few
    at a time, so many that all workers are busy with a fold each, one after the other. What
    they leave of their time is for those behind them.
    """

    def __init__(
        self,
        evaluate_candidates: Callable[..., dict[str, Any]],
        seconds: float,
        *,
        parameter: str,
        n_splits: int,
        n_workers: int,
        refit: bool,
    ):
        self._evaluate_candidates = evaluate_candidates
        self._seconds = seconds
        self._end = time.perf_counter() + seconds
        self._parameter = parameter
        self._n_splits = n_splits
        self._n_workers = n_workers
        self._refit = refit

    def __call__(self, candidates: Iterable[dict], callback_ctx=None) -> dict[str, Any]:
        waiting, n_done = list(candidates), 0
        self._least = LEAST * self._seconds / (self._n_rounds(len(waiting)) + self._refit)
        results: dict[str, Any] = {"params": []}
        while waiting:
            seconds = self._share_of(self._n_rounds(len(waiting)) + self._refit)
            now, waiting = waiting[: self._n_workers], waiting[self._n_workers :]
            results = self._evaluate_candidates(
                [{**candidate, self._parameter: seconds} for candidate in now],
                more_results={"max_seconds": [seconds] * len(now)},
                **_behind(callback_ctx, n_done * self._n_splits),
            )
            n_done += len(now)
        for candidate in results["params"]:  # the best of which is fitted to all rows
            candidate[self._parameter] = self._share_of(1)
        return results

    def _share_of(self, n_rounds: int) -> float:
        return max((self._end - time.perf_counter()) / n_rounds, self._least)

    def _n_rounds(self, n_candidates: int) -> int:
        """How often all workers fit at the same time."""
        in_full, others = divmod(n_candidates, self._n_workers)
        return in_full * self._n_splits + -(-others * self._n_splits // self._n_workers)


def _behind(callback_ctx, n_done: int) -> dict[str, Any]:
    """What scikit-learn's callbacks number fits by, which it would do from 0 on again."""
    if callback_ctx is None:  # as before scikit-learn 1.9
        return {}

    def subcontext(*, task_id: int, **task):
        return callback_ctx.subcontext(task_id=n_done + task_id, **task)

    return {"callback_ctx": SimpleNamespace(subcontext=subcontext)}


def made_by(end: float, make: Callable[[Any], Any], parts: Sequence) -> list | None:
    """What is made of each part, or None once the last is not to be expected by then."""
    made: list[Any] = []
    started = time.perf_counter()
    for part in parts:
        now = time.perf_counter()
        each = (now - started) / max(len(made), 1)
        if now + each * (len(parts) - len(made)) > end:
            return None
        made.append(make(part))
    return made


def without(parameter: str, candidate: dict) -> dict:
    """The parameters of a candidate but one."""
    return {name: value for name, value in candidate.items() if name != parameter}
