"""The diagram of a network for notebooks: SVG, without matplotlib."""

from __future__ import annotations

from html import escape

from .diagram import FILLS, FONT_SIZE, Box, Diagram, Line, Words

STYLE = f"font-family:sans-serif;font-size:{FONT_SIZE}px;max-width:100%;height:auto"


def svg(drawing: Diagram) -> str:
    """The drawing as an SVG element."""
    shapes = [
        *map(_curve, drawing.lines),
        *map(_rectangle, drawing.boxes),
        *(_box_text(box) for box in drawing.boxes if box.text),
        *map(_words, drawing.words),
    ]
    width, height = round(drawing.width), round(drawing.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{1.3 * width:.0f}" role="img" aria-label="Diagram of the network" '
        f'style="{STYLE}">{"".join(shapes)}</svg>'
    )


def _curve(line: Line) -> str:
    start, *others = [f"{x:.1f} {y:.1f}" for x, y in line.points]
    path = f"M {start} C {', '.join(others)}"
    return f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="0.8"/>'


def _rectangle(box: Box) -> str:
    return (
        f'<rect x="{box.x:.1f}" y="{box.y - box.height / 2:.1f}" width="{box.width}" '
        f'height="{box.height:.1f}" rx="{box.radius}" fill="{FILLS[box.kind]}" '
        'stroke="#595959" stroke-width="0.8"/>'
    )


def _box_text(box: Box) -> str:
    colour = "white" if box.kind == "shared" else "black"
    return _text(box.x + box.width / 2, box.y, box.text, "middle", colour)


def _words(words: Words) -> str:
    anchor = "middle" if words.kind == "header" else "start"
    return _text(words.x, words.y, words.text, anchor, "currentColor")


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    # Not every viewer knows dominant-baseline: a third of an em centres digits.
    return (
        f'<text x="{x:.1f}" y="{y + FONT_SIZE / 3:.1f}" text-anchor="{anchor}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
