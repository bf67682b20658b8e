"""Sections of a results file: one per benchmark, replaced when it runs again."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("skmtl", "tensorflow", "keras", "scikeras", "scikit-learn", "numpy")
HEAD = "# Results\n\nWritten by the benchmarks; every section says by which command.\n"


def circumstances() -> list[str]:
    """When and where: lines to be read before any figure. Call it before measuring."""
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return [
        f"- command: `{_command()}`",
        f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- machine: {_processor()}, {os.cpu_count()} cores, {platform.system()}, "
        f"load average before the run {load}",
        f"- versions: Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    ]


def _command() -> str:
    module = sys.modules["__main__"].__spec__
    program = f"-m {module.name}" if module else sys.argv[0]
    return " ".join(["python", program, *sys.argv[1:]])


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        name = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE)
        if name:
            return name[1]
    return platform.processor() or platform.machine()


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def with_rows(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, n_rows: int
) -> argparse.Namespace:
    """Arguments of a benchmark of many rows: fewer may be asked for, to try it out."""
    parser.add_argument("--rows", type=int, default=n_rows, metavar="N")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="where to write (default: RESULTS.md for all rows, nowhere for fewer)",
    )
    arguments = parser.parse_args(argv)
    if arguments.results is None and arguments.rows == n_rows:
        arguments.results = RESULTS
    return arguments


def write_section(path: Path, name: str, lines: Iterable[str]) -> None:
    """Put the section in the place of the one with this name, or at the end of the file."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = "\n".join([begin, *lines, end])
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    before, found, rest = text.partition(begin)
    if found:
        _, found_end, after = rest.partition(end)
        if not found_end:
            raise ValueError(f"{path} has {begin!r} but no {end!r}: restore or delete it.")
        text = before + section + after
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    path.write_text(text, encoding="utf-8")
