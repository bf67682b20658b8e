"""The verdict on models in plain words."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from .._messages import shortened
from ._verdict import FEW_NAMED, MOST_NAMED, NAME_WIDTH, _joined, _rounded
from ._verdict import MEAN as AVERAGE

NETWORK, THE_MEAN = "a network", "the mean"
METRICS = {"r2": "R2", "neg_log_loss": "negative log loss"}


class Standing(NamedTuple):
    """How the models stand for one target."""

    best: str
    next_best: str | None  # of another kind
    lead: float
    se: float
    kinds: tuple[str, ...]  # of the models that are not clearly worse, the best first

    @property
    def clear(self) -> str | None:
        """The kind of model that is better than all others."""
        return self.kinds[0] if len(self.kinds) == 1 else None


def in_words(table: pd.DataFrame, metric: str, depths) -> str:
    """A few sentences without line breaks."""
    found = standings(table, depths)
    average = found.pop(AVERAGE, None)
    sentences = [*_clear(found, METRICS[metric]), *_unclear(found)]
    if any(depth is not None for depth in depths):
        sentences.append(_of_network(found))
    if average is not None:
        sentences.append(_on_average(average, METRICS[metric]))
    return " ".join(sentence for sentence in sentences if sentence)


def standings(table: pd.DataFrame, depths) -> dict[str, Standing]:
    """By target, and for the mean over the targets."""
    kinds = _kinds(list(table["score"].columns), depths)
    return {name: _standing(table.loc[name], kinds) for name in table.index}


def _kinds(models: list[str], depths) -> dict[str, str]:
    """What each model is called in a sentence, whatever its depth."""
    kinds = dict(zip(models, models, strict=True))
    kinds[models[0]] = THE_MEAN
    for model, depth in zip(models, depths, strict=True):
        if depth is not None:
            kinds[model] = NETWORK
    return kinds


def _standing(row: pd.Series, kinds: dict[str, str]) -> Standing:
    scores = row["score"].dropna().sort_values(ascending=False, kind="stable")
    if scores.empty:
        return Standing("", None, 0.0, 0.0, ())
    best = scores.index[0]
    not_worse = [model for model in scores.index if row[("effect", model)] != "worse"]
    others = [model for model in scores.index if kinds[model] != kinds[best]]
    following = others[0] if others else None
    lead, se = (row.get((key, following), 0.0) for key in ("difference", "se"))
    of_models = tuple(dict.fromkeys(kinds[model] for model in not_worse))
    return Standing(
        _called(best, kinds), following and _called(following, kinds), -lead, se, of_models
    )


def _called(model: str, kinds: dict[str, str]) -> str:
    """A model with its depth, if it is a network."""
    if kinds[model] != NETWORK:
        return kinds[model]
    return f"{NETWORK} ({model.removeprefix('network, ')})"


def _clear(found: dict[str, Standing], score: str) -> list[str]:
    """What to use, where all other kinds are clearly worse."""
    by_kind: dict[str, list[str]] = {}
    for name, own in found.items():
        if own.clear not in (None, THE_MEAN):
            by_kind.setdefault(own.kinds[0], []).append(name)
    most_first = sorted(by_kind.items(), key=lambda item: -len(item[1]))
    return [
        f"Use {kind} for {_targets(names, len(found))}{_leads(found, names, score)}"
        for kind, names in most_first
    ]


def _leads(found: dict[str, Standing], names: list[str], score: str) -> str:
    """By how much the best lead, for the few targets where it is most."""
    most_first = sorted(names, key=lambda name: -found[name].lead)
    most_first = most_first if len(names) <= MOST_NAMED else most_first[:FEW_NAMED]
    if found[most_first[0]].next_best is None:
        return "."
    clauses = []
    for k, name in enumerate(most_first):
        own = found[name]
        depth = f"{own.best[len(NETWORK) + 2 : -1]}, " if NETWORK in own.kinds else ""
        of_target = f" for {_name(name)}" if len(names) > 1 else ""
        unit, error = (f" in {score}", "standard error") if k == 0 else ("", "±")
        lead = f"{_rounded(own.lead)}{unit} ahead of {own.next_best}{of_target}"
        clauses.append(f"{lead} ({depth}{error} {_rounded(own.se)})")
    most = "most of all " if len(clauses) < len(names) else ""
    return f": {most}{_joined(clauses)}."


def _unclear(found: dict[str, Standing]) -> list[str]:
    """Where several kinds do about as well, and where nothing can be told from the mean."""
    by_kinds: dict[tuple[str, ...], list[str]] = {}
    for name, own in found.items():
        if own.clear in (None, THE_MEAN):
            kinds = () if THE_MEAN in own.kinds or not own.kinds else own.kinds
            by_kinds.setdefault(kinds, []).append(name)
    sentences = []
    for kinds, names in by_kinds.items():
        of_targets = _targets(names, len(found))
        if kinds:
            differ = f"{_joined(kinds)} do not clearly differ"
            sentences.append(f"For {of_targets}, {differ}.")
        else:
            all_of_several = len(names) == len(found) > 1
            of_targets = "any target" if all_of_several else of_targets
            sentences.append(f"No model is clearly better than the mean for {of_targets}.")
    return sentences


def _of_network(found: dict[str, Standing]) -> str:
    """That a network is of no use, where that is so."""
    kinds = [own.kinds for own in found.values()]
    if (NETWORK,) in kinds:
        return ""
    if not any(NETWORK in of_target for of_target in kinds):
        return "A network gains nothing here."
    return "No gain of a network is clear here."


def _on_average(own: Standing, score: str) -> str:
    if own.next_best is None:
        return ""
    clear = "" if own.clear else ", but not clearly"
    return (
        f"On average over the targets, the highest score is that of {own.best}{clear}: "
        f"{_rounded(own.lead)} in {score} ahead of {own.next_best} (standard error "
        f"{_rounded(own.se)})."
    )


def _targets(names: list[str], n_targets: int) -> str:
    if n_targets == 1:
        return f"{_name(names[0])}"
    if len(names) == n_targets:
        return "both targets" if n_targets == 2 else f"all {n_targets} targets"
    if len(names) <= MOST_NAMED:
        return _joined([_name(name) for name in names])
    examples = _joined([_name(name) for name in names[:FEW_NAMED]])
    return f"{len(names)} of {n_targets} targets, {examples} among them"


def _name(name: str) -> str:
    return shortened(name, NAME_WIDTH)
