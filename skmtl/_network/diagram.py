"""A network as boxes, lines and words, for whatever draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .._messages import shortened

# All lengths are points, y runs downwards.
FONT_SIZE = 9
CHARACTER = 0.57 * FONT_SIZE  # mean width
MARGIN, HEADER = 10, 22
WIDTH, GAP, FAN = 34, 18, 44  # of a layer, between layers, where lines spread
ROW, HEAD = 26, 18  # pitch of targets with a row of their own, height of their layers
DECK, CARDS, SHIFT = 40, 3, 4
LINE = 14  # pitch of targets that are only listed
MAX_ROWS = 10
MAX_LISTED = 100
NAME_WIDTH, LISTED_NAME_WIDTH = 34, 22
BLUE, ORANGE = "#0072B2", "#E69F00"  # of Okabe and Ito: all eyes tell them apart
FILLS = {"features": "white", "shared": BLUE, "own": ORANGE, "output": "white"}


@dataclass(frozen=True)
class Box:
    x: float
    y: float  # of the middle
    width: float
    height: float
    text: str
    kind: str  # "features", "shared", "own" or "output"

    @property
    def radius(self) -> float:
        """Of the corners; outputs are circles."""
        return self.width / 2 if self.kind == "output" else 3


@dataclass(frozen=True)
class Line:
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def points(self) -> list[tuple[float, float]]:
        """Of a cubic Bezier curve that leaves and arrives level."""
        middle = (self.x0 + self.x1) / 2
        return [
            (self.x0, self.y0),
            (middle, self.y0),
            (middle, self.y1),
            (self.x1, self.y1),
        ]


@dataclass(frozen=True)
class Words:
    x: float
    y: float
    text: str
    kind: str  # "header" (centred) or "name" (begins at x)


@dataclass
class Diagram:
    width: float = 0
    height: float = 0
    header_y: float = 0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    def add_layer(self, x, y, height, text, kind) -> float:
        """A box that begins at x; where it ends."""
        self.boxes.append(Box(x, y, WIDTH, height, text, kind))
        return x + WIDTH

    def add_header(self, x0, x1, text) -> None:
        self.words.append(Words((x0 + x1) / 2, self.header_y, text, "header"))


def diagram(
    hidden_sizes: Sequence[int],
    sharing_depth: int,
    n_features: int | None = None,
    target_names: Sequence[str] | None = None,
    share_output: bool = False,
    n_trunks: int = 1,
) -> Diagram:
    """Features, trunk, heads, targets, from left to right.

    Up to MAX_ROWS targets have a row each. More, or an unknown number, are a deck of
    heads and a list of names. Several trunks are a deck, too.
    """
    trunk, head = hidden_sizes[:sharing_depth], hidden_sizes[sharing_depth:]
    rows = target_names is not None and len(target_names) <= MAX_ROWS
    lists = [] if rows else _lists(target_names)
    height = len(target_names) * ROW if rows else len(lists[0]) * LINE
    tall = min(max(height, 50), 110) if rows else 110
    under_header = max(height, tall) if rows else tall
    middle = MARGIN + max(height / 2, under_header / 2 + HEADER)
    drawing = Diagram(height=middle + max(height, tall) / 2 + MARGIN)
    drawing.header_y = middle - under_header / 2 - HEADER / 2
    x = _draw_trunk(drawing, middle, tall, n_features, trunk, n_trunks)
    own = "heads" if trunk or share_output else "separate networks"
    if rows:
        top = middle - height / 2 + ROW / 2
        ys = [top + t * ROW for t in range(len(target_names))]
        x = _draw_heads(drawing, x, ys, head, own, share_output)
        names = [shortened(name, NAME_WIDTH, "…") for name in target_names]
        x = _draw_names(drawing, x, ys, names)
    else:
        n_targets = "T" if target_names is None else f"{len(target_names)}"
        x = _draw_deck(drawing, x, middle, head, f"{n_targets} {own}", share_output)
        x = _draw_lists(drawing, x, middle, lists)
    drawing.width = x + MARGIN
    return drawing


def _draw_trunk(drawing, y, height, n_features, trunk, n_trunks) -> float:
    x = MARGIN + 6
    size = "d" if n_features is None else f"{n_features}"
    end = drawing.add_layer(x, y, height, size, "features")
    drawing.add_header(x, end, "features")
    start = end + GAP
    for units in trunk:
        left = end + GAP
        drawing.lines.append(Line(end, y, left, y))
        for card in reversed(range(min(n_trunks, CARDS))):
            shift, text = card * SHIFT, "" if card else f"{units}"
            end = drawing.add_layer(left + shift, y + shift, height, text, "shared")
    if trunk:
        one = "trunk" if len(trunk) == 1 else "shared trunk"
        drawing.add_header(start, end, one if n_trunks == 1 else f"{n_trunks} trunks")
    return end


def _draw_heads(drawing, x, ys, head, header, share_output) -> float:
    """A row of layers for each target."""
    middle = (ys[0] + ys[-1]) / 2
    start = x + FAN
    for y in ys:
        drawing.lines.append(Line(x, middle, start, y))
        end = start
        for units in head:
            end = drawing.add_layer(end, y, HEAD, f"{units}", "own") + GAP
            drawing.lines.append(Line(end - GAP, y, end, y))
        if not share_output:
            drawing.boxes.append(Box(end, y, 10, 10, "", "output"))
    if head:
        drawing.add_header(start, end - GAP, header)
    if not share_output:
        return end + 10
    drawing.add_layer(end, middle, ys[-1] - ys[0] + HEAD, "1", "shared")
    drawing.lines.extend(Line(end + WIDTH, y, end + WIDTH + GAP, y) for y in ys)
    return end + WIDTH + GAP


def _draw_names(drawing, x, ys, names) -> float:
    x += 6
    drawing.words.extend(
        Words(x, y, name, "name") for y, name in zip(ys, names, strict=True)
    )
    return x + CHARACTER * max(map(len, names))


def _draw_deck(drawing, x, y, head, header, share_output) -> float:
    """The layers of one head, and those of others behind them."""
    end = x
    sizes = [*head, 1]
    for n, units in enumerate(sizes):
        shared = share_output and n == len(head)
        start = end + (FAN if n == 0 else GAP)
        cards = [0] if shared else reversed(range(CARDS))
        drawing.lines.append(Line(end, y, start, y))
        for card in cards:
            shift = card * SHIFT
            kind = "shared" if shared else "own"
            text = "" if card else f"{units}"
            height = DECK * (1.6 if shared else 1)
            end = drawing.add_layer(start + shift, y - shift, height, text, kind)
    drawing.add_header(x + FAN, end, header)
    drawing.lines.append(Line(end, y, end + GAP, y))
    return end + GAP


def _lists(names: Sequence[str] | None) -> list[list[str]]:
    """Columns of names."""
    if names is None:
        return [["T targets"]]
    listed = [shortened(name, LISTED_NAME_WIDTH, "…") for name in names[:MAX_LISTED]]
    if len(names) > MAX_LISTED:
        listed[-1] = f"and {len(names) - MAX_LISTED + 1} more"
    n_lists = 1 if len(listed) <= 12 else 2 if len(listed) <= 30 else 3
    length = -(-len(listed) // n_lists)
    starts = [*range(0, len(listed), length), len(listed)]
    return [listed[start:stop] for start, stop in pairwise(starts)]


def _draw_lists(drawing, x, y, lists) -> float:
    reach = (len(lists[0]) - 1) * LINE / 2
    if reach:  # a bracket around the names
        drawing.lines.append(Line(x, y - reach - 5, x, y + reach + 5))
    for names in lists:
        ys = [y - reach + n * LINE for n in range(len(names))]
        x = _draw_names(drawing, x, ys, names) + MARGIN
    return x
