"""``python -m skmtl``: how much should the targets of a table share?"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from . import __version__
from ._cli import InputError
from ._runtime.disk_cache import SETTING, default_folder

USAGE = "%(prog)s [TABLE --targets COLUMN COLUMN ...] [options]"
DESCRIPTION = """\
Cross-validate one neural network for several targets at every sharing depth, from a
separate network per target (0) to one in which all hidden layers are shared, and fit the
best to all rows. Without a table: the bundled energy efficiency of buildings."""
EPILOG = """\
Targets of numbers are regressed, targets of text classified. Columns that are no targets
are features: text is one-hot encoded, missing numbers are imputed. Missing targets are
left empty in the table. Progress goes to the standard error,
the report to the standard output. Compiled programs are kept for the next run in
~/.cache/skmtl, or the folder SKMTL_CACHE_DIR ("off": not at all)."""


def main(argv=None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        0, or 2 after bad input, or 130 after an interruption (Ctrl-C).
    """
    try:
        _run(_parser().parse_args(argv))
    except InputError as error:
        _tell(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    return 0


def _run(args: argparse.Namespace) -> None:
    _check_writable("--output", args.output)
    _check_writable("--plot", args.plot)
    if args.table is None and (args.targets or args.drop or args.classify):
        raise InputError("name the table, before --targets, --drop and --classify")
    if not (args.trunk or args.head):
        raise InputError("--trunk and --head are both empty: there is no layer to share")

    os.environ.setdefault(SETTING, default_folder())
    # Only now, so that --help and the errors above need not wait.
    from ._cli.plot import check_plot, save_plot
    from ._cli.table import bundled_table, choose_folds, read_table, undefined_scores

    if args.plot is not None:
        check_plot(args.plot)
    if args.table is None:
        table = bundled_table()
    else:
        table = read_table(args.table, args.targets, args.drop, classify=args.classify)
    from ._cli.onnx import check_onnx, is_onnx

    if is_onnx(args.output):
        check_onnx(table.X)
    folds = choose_folds(table, args.folds, args.repeats, args.seed)
    for note in [*table.notes, *undefined_scores(table, folds)]:
        _tell(f"note: {note}")

    from ._cli.report import how_to_load, report
    from ._cli.search import search_depths
    from ._estimators.classifier import MultiTaskClassifier
    from ._estimators.regressor import MultiTaskRegressor

    network = (MultiTaskClassifier if table.of_classes else MultiTaskRegressor)(
        trunk_sizes=tuple(args.trunk),
        head_sizes=tuple(args.head),
        epochs=args.epochs,
        n_members=args.members,
        random_state=args.seed,
    )
    search = search_depths(table.X, table.Y, network, folds, args.jobs)
    for warning in search.warnings:
        _tell(f"warning: {warning}")
    _write(report(table, search))
    if args.plot is not None:
        for warning in save_plot(search.fitted, args.plot):
            _tell(f"warning: {warning}")
        _write(f"\nThe scores of all depths are drawn in {args.plot}.\n")
    if args.output is not None:
        _save(search.fitted.best_estimator_, args.output, table.X)
        _write(how_to_load(args.output, table, search))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="skmtl", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    add = parser.add_argument
    positive = _whole_number(least=1)
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
        "--classify",
        action="store_true",
        help="take targets that are numbers as classes; those of text are anyway",
    )
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
        default=400,
        metavar="N",
        help="most epochs of a fit, which stops early (default: 400)",
    )
    add(
        "--output",
        metavar="FILE",
        help="save the best model here: as an ONNX graph if the name ends in .onnx, which "
        "needs skl2onnx, else with joblib",
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
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{message} (see {self.prog} --help)")

    def exit(self, status=0, message=None):
        _write("")  # a reader that left is noticed here, not when the process ends
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


def _check_writable(option: str, file: str | None) -> None:
    """Find out before the search whether its results can be saved after it."""
    if file is None:
        return
    path = Path(file)
    if path.is_dir():
        raise InputError(f"{option} {file!r} is a folder: name a file")
    if not path.parent.is_dir():
        raise InputError(f"{option}: no such folder: {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{option}: no permission to write {file}")


def _save(model, output: str, X) -> None:
    import joblib

    from ._cli.onnx import is_onnx, onnx_bytes

    try:
        if is_onnx(output):
            Path(output).write_bytes(onnx_bytes(model, X))
        else:
            joblib.dump(model, output)
    except OSError as error:
        raise InputError(f"the model cannot be saved: {error}") from error


def _tell(message: str) -> None:
    """A message about the run, in one line whatever it quotes."""
    sys.stderr.write(f"skmtl: {' '.join(message.split())}\n")


def _write(text: str) -> None:
    """Write to the standard output; what its encoding lacks becomes a question mark."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left, as `| head` does: no one misses the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
