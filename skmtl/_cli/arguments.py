"""What the command line takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .. import __version__
from . import InputError
from .terminal import write

USAGE = "%(prog)s [TABLE --targets COLUMN COLUMN ...] [options]"


DESCRIPTION = """\
Cross-validate one neural network for several targets at every sharing depth, from a
separate network per target (0) to one in which all hidden layers are shared, and fit the
best to all rows. Without a table: the bundled energy efficiency of buildings."""


EPILOG = """\
Targets of numbers are regressed, targets of text classified. Columns that are no targets
are features: numbers, or categories if they are text. Cells of features and of targets may
be empty. Progress goes to the standard error, the report to the standard output. Compiled
programs are kept for the next run in ~/.cache/skmtl, or the folder SKMTL_CACHE_DIR ("off":
not at all)."""


def parser() -> argparse.ArgumentParser:
    """The parser of all arguments."""
    made = _Parser(prog="skmtl", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    _add_table(made.add_argument)
    _add_network_and_search(made.add_argument)
    _add_results(made.add_argument)
    return made


def _add_table(add: Callable) -> None:
    add("table", nargs="?", metavar="TABLE", help="CSV file, perhaps compressed (.csv.gz)")
    add("--targets", nargs="+", metavar="COLUMN", help="columns to predict, two or more")
    add(
        "--drop",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="columns that are neither targets nor features",
    )
    add(
        "--groups",
        metavar="COLUMN",
        help="column, which is no feature, that says what a row belongs to, such as a "
        "patient: rows of one are never both trained on and tested or held out",
    )
    add(
        "--classify",
        action="store_true",
        help="take targets that are numbers as classes; those of text are anyway",
    )


def _add_network_and_search(add: Callable) -> None:
    positive = _whole_number(least=1)
    add(
        "--trunk",
        nargs="*",
        type=positive,
        default=[128, 128],
        metavar="UNITS",
        help="hidden layers, first part (default: 128 128)",
    )
    add(
        "--head",
        nargs="*",
        type=positive,
        default=[64],
        metavar="UNITS",
        help="hidden layers, second part (default: 64); any first layers can be shared",
    )
    add(
        "--folds",
        type=_whole_number(least=2),
        default=5,
        metavar="N",
        help="folds of the cross-validation (default: 5)",
    )
    add(
        "--repeats",
        type=positive,
        default=1,
        metavar="N",
        help="times to cross-validate, each with other folds: several tell smaller gains "
        "from chance (default: 1)",
    )
    add(
        "--members",
        type=positive,
        default=1,
        metavar="N",
        help="networks in every model, which predicts their mean (default: 1)",
    )
    add(
        "--epochs",
        type=positive,
        metavar="N",
        help="most epochs of a fit, which stops early (default: 400; of 5000 rows or "
        "more, as many as pay)",
    )
    add(
        "--max-seconds",
        type=positive,
        metavar="N",
        help="seconds for the search, and up to a quarter of them for --compare: networks "
        "that would take longer than their share end with the best so far, other models "
        "are left out (default: no limit)",
    )


def _add_results(add: Callable) -> None:
    positive = _whole_number(least=1)
    add(
        "--output",
        metavar="FILE",
        help="save the best model here, of all kinds with --compare: with joblib, or the "
        "network as an ONNX graph if the name ends in .onnx, which needs skl2onnx",
    )
    add(
        "--compare",
        action="store_true",
        help="say which of the mean, ridge, boosted trees and networks is best for which "
        "target",
    )
    add(
        "--report",
        metavar="FILE",
        help="write all of it to an HTML file, with pictures and importances of features",
    )
    add("--plot", metavar="FILE", help="draw the scores here, as .png, .pdf or .svg")
    add(
        "--jobs",
        type=positive,
        default=1,
        metavar="N",
        help="fits at the same time, in threads (default: 1)",
    )
    add(
        "--seed",
        type=_whole_number(least=0),
        default=0,
        metavar="N",
        help="of folds, initial weights and training (default: 0)",
    )
    add("--version", action="version", version=f"%(prog)s {__version__}")


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{message} (see {self.prog} --help)")

    def exit(self, status=0, message=None):
        write("")  # a reader that left is noticed here, not when the process ends
        super().exit(status, message)


def _whole_number(least: int) -> Callable[[str], int]:
    most = 2**31 - 1  # 32 bits hold it, in scikit-learn's seeds and in TensorFlow

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}, got {text!r}"
                if value < least
                else f"{text} is too large"
            )
        return value

    return number
