"""The course of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._types import Axes
from ._estimators import network_in
from ._style import (
    BLUE,
    COLOURS,
    FAINT,
    GREY,
    MARKERS,
    VERMILION,
    Style,
    axes_for,
    label,
    without_frame,
)

if TYPE_CHECKING:  # not installed everywhere
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

WIDE_RANGE = 20  # of losses, largest over smallest, which a linear axis hides


class TrainingDisplay:
    """Training and validation loss of every epoch, with the best epoch marked.

    The best epoch is the one whose weights `fit` kept: that of the lowest validation
    loss, or of the highest score if there is a `scoring`. Networks of their own (of targets
    at sharing depth 0, of groups, of members) have one each. With ``refit=True``, training
    may have gone on from it with all rows: epochs without a validation loss, of which the
    first are worse, as the rows that were held out are new.

    Parameters
    ----------
    history : dict of sequence of float, each of shape (n_epochs,)
        ``loss`` and, if rows were held out, ``val_loss``; with ``loss_<target>`` and
        ``val_loss_<target>`` for a plot per target. NaN leaves a gap.
    target_names : sequence of str, default=()
        Names of the targets.
    best_epoch : int, array-like of int of shape (T,) or (n_members, T), or None, \
            default=None
        Counted from 1, as `best_epoch_` of an estimator. None marks nothing.

    Attributes
    ----------
    lines_ : dict of str to matplotlib.lines.Line2D
        The losses drawn, by their name in `history`.
    ax_ : matplotlib.axes.Axes
        Axes with the losses.
    figure_ : matplotlib.figure.Figure
        Figure with the axes.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of rows.

    Examples
    --------
    >>> from skmtl.inspection import TrainingDisplay
    >>> history = {"loss": [1.0, 0.5, 0.4], "val_loss": [1.1, 0.7, 0.8]}
    >>> display = TrainingDisplay(history=history, best_epoch=2)
    >>> display.plot().figure_.savefig("training.png")  # doctest: +SKIP
    """

    lines_: dict[str, Line2D]
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        history: Mapping[str, Sequence[float]],
        target_names: Sequence[str] = (),
        best_epoch: ArrayLike | None = None,
    ) -> None:
        self.history = history
        self.target_names = target_names
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, per_target: bool = False, ax: Axes | None = None
    ) -> Self:
        """Plot the losses of a fitted estimator.

        Parameters
        ----------
        estimator : fitted MultiTaskRegressor or MultiTaskClassifier, or a Pipeline or \
                search that ends in one
            After `partial_fit`, or `fit` with ``warm_start=True``, all its epochs are
            shown, and the best is that of the last call, if it held out rows.
        per_target : bool, default=False
            Draw the losses of each target instead of their mean.
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it is fitted without a single epoch, as `merge_tasks` makes it.
        TypeError
            If there is no such estimator in it.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.inspection import TrainingDisplay
        >>> X, y = load_energy(return_X_y=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
        >>> list(TrainingDisplay.from_estimator(model).lines_)
        ['loss', 'val_loss']
        """
        network = network_in(estimator, fitted=True)
        if not network.history_:
            raise ValueError(
                "history_ is empty: the network has not been trained yet, as merge_tasks "
                "left it. Call partial_fit first."
            )
        display = cls(
            history=network.history_,
            target_names=list(network.target_names_),
            best_epoch=_best_epoch(network),
        )
        return display.plot(ax=ax, per_target=per_target)

    def plot(self, ax: Axes | None = None, *, per_target: bool = False) -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.
        per_target : bool, default=False
            Draw the losses of each target instead of their mean. More than 6 targets
            are thin lines without a name, and their mean is drawn too.

        Returns
        -------
        TrainingDisplay
            The display itself.

        Examples
        --------
        >>> from skmtl.inspection import TrainingDisplay
        >>> TrainingDisplay(history={"loss": [1.0, 0.5]}).plot().ax_.get_ylabel()
        'Loss'
        """
        ax = axes_for(self, ax, figsize=(7, 4))
        many = len(self.target_names) > len(COLOURS)
        self.lines_ = {}
        if per_target and many:
            self._draw_many_targets()
        elif per_target:
            self._draw_targets()
        if many or not per_target:
            self._draw_mean()
        losses = np.concatenate([line.get_ydata() for line in self.lines_.values()])
        smallest, largest = np.nanmin(losses), np.nanmax(losses)
        if smallest > 0 and largest > WIDE_RANGE * smallest:
            ax.set_yscale("log")
        ax.set(xlabel="Epoch", ylabel="Loss")
        ax.legend(framealpha=0.8, edgecolor="none")
        without_frame(ax)
        return self

    def _draw_mean(self) -> None:
        self._line("loss", color=VERMILION, linestyle="--", label="training")
        if "val_loss" not in self.history:
            return
        best: Any = self.best_epoch
        epochs: Any = [] if best is None else np.unique(best)
        self._line("val_loss", color=BLUE, label="validation", **_marks(epochs, "o"))
        if len(epochs) == 1:
            text = f"best epoch: {epochs[0]}"
            self.ax_.axvline(epochs[0], linewidth=1, label=text, color=GREY, linestyle=":")
        elif len(epochs):
            whose = "targets" if np.ndim(best) == 1 else "networks"
            text = f"best epochs of the {whose}: {epochs[0]} to {epochs[-1]}"
            self.ax_.plot([], [], color=BLUE, marker="o", linestyle="", label=text)

    def _draw_targets(self) -> None:
        """A colour and a marker for each target; dashed lines are training."""
        validated = "val_loss" in self.history
        best: Any = self.best_epoch
        for t, name in enumerate(self.target_names):
            colour = COLOURS[t]
            style = {"color": colour, "label": label(name, 30)}
            if validated:
                dashed = {"color": colour, "linewidth": 0.8, "linestyle": "--"}
                self._line(f"loss_{name}", **dashed)
                of_target = np.transpose(best)[t] if np.ndim(best) else best
                style |= _marks([] if best is None else np.unique(of_target), MARKERS[t])
            self._line(f"{'val_' if validated else ''}loss_{name}", **style)
        if validated:
            key: Style = {"color": GREY, "linewidth": 0.8, "linestyle": "--"}
            self.ax_.plot([], [], label="training", **key)
        if best is not None:
            key = {"color": GREY, "marker": "o", "linestyle": "", "fillstyle": "none"}
            self.ax_.plot([], [], label="best epoch", **key)

    def _draw_many_targets(self) -> None:
        validated = "val_loss" in self.history
        what = "validation" if validated else "training"
        text: str | None = f"each of {len(self.target_names)} targets, {what}"
        for name in self.target_names:
            loss = f"{'val_' if validated else ''}loss_{name}"
            self._line(loss, color=FAINT, linewidth=0.6, label=text)
            text = None

    def _line(self, name: str, **style) -> None:
        losses = np.asarray(self.history[name], dtype=float)
        epochs = np.arange(1, len(losses) + 1)
        (self.lines_[name],) = self.ax_.plot(epochs, losses, **style)


def _marks(epochs, marker: str) -> dict:
    """The style of a line with a marker at these epochs, or else at every tenth or so."""
    epochs = np.atleast_1d(np.asarray(epochs, dtype=int))
    return {"marker": marker, "markevery": (epochs - 1).tolist() or 0.1}


def _best_epoch(network):
    """The best epochs, as few as tell them all, or None if no rows were held out."""
    losses = np.append(np.nan, network.history_.get("val_loss", []))
    # Files of before it have none.
    best = np.asarray(getattr(network, "best_epoch_", np.zeros((1, 0), dtype=int)))
    best = best[:, best.all(axis=0)]  # less the targets that add_task added
    if not best.size or best.max() >= len(losses) or np.isnan(losses[best]).all():
        return None
    if (best == best[0]).all():
        best = best[0]
    return int(best[0]) if best.ndim == 1 and (best == best[0]).all() else best.tolist()
