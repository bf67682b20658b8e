"""``python -m skmtl``: how much should the targets of a table share?"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from ._cli import InputError
from ._cli.arguments import parser
from ._cli.terminal import tell, write
from ._runtime.disk_cache import SETTING, default_folder
from ._runtime.quiet_import import LEVEL

OF_TABLES = {".csv", ".tsv", ".txt", ".json", ".xlsx", ".parquet", ".feather"}
OF_PICTURES_AND_PAGES = {".png", ".jpg", ".jpeg", ".pdf", ".svg", ".html", ".htm"}
OF_OTHER_FILES = {*OF_TABLES, *OF_PICTURES_AND_PAGES, ".keras", ".h5"}
OF_COMPRESSED = {".gz", ".bz2", ".xz", ".zip"}


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
        args = parser().parse_args(argv)
        args.command = ["skmtl", *(sys.argv[1:] if argv is None else argv)]
        _run(args)
    except InputError as error:
        tell(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    return 0


def _run(args: argparse.Namespace) -> None:
    outputs = {"--output": args.output, "--plot": args.plot, "--report": args.report}
    for option, file in outputs.items():
        _check_writable(option, file)
    _check_different({"the table": args.table, **outputs})
    _check_ending(args.output)
    of_a_table = args.targets or args.drop or args.groups or args.classify
    if args.table is None and of_a_table:
        raise InputError("name the table, before --targets and other options of tables")
    if not (args.trunk or args.head):
        raise InputError("--trunk and --head are both empty: there is no layer to share")

    os.environ.setdefault(SETTING, default_folder())
    # Programs that outlive their process are read with pages of the processor's features.
    # What goes wrong in TensorFlow is an exception, too.
    os.environ.setdefault(LEVEL, "3")
    # Only now, so that --help and the errors above need not wait.
    from ._cli.comparison import comparison, verdict_with
    from ._cli.folds import choose_folds, undefined_scores, without_unrepeated
    from ._cli.html_report import OutOfFold, check_report, save_report
    from ._cli.onnx import check_onnx, is_onnx
    from ._cli.plot import check_plot, save_plot
    from ._cli.report import how_to_load, report
    from ._cli.search import search_depths
    from ._cli.table import bundled_table, read_table
    from ._cli.winner import best_of_all

    if is_onnx(args.output):
        check_onnx(args.compare)
    if args.plot is not None:
        check_plot(args.plot)
    if args.report is not None:
        check_report(args.report)
    if args.table is None:
        table = bundled_table()
    else:
        table = read_table(
            args.table, args.targets, args.drop, args.groups, classify=args.classify
        )
    folds = choose_folds(table, args.folds, args.repeats, args.seed)
    table = without_unrepeated(table, folds)
    for note in [*table.notes, *undefined_scores(table, folds)]:
        tell(f"note: {note}")

    network, seen = _network(args, table), OutOfFold()
    watch = None if args.report is None else seen.add
    others, seconds = _others_and_seconds_left(args, table, network, folds)
    search = search_depths(table, network, folds, args.jobs, watch, seconds)
    for warning in search.warnings:
        tell(f"warning: {warning}")
    write(report(table, search))
    verdict = None
    if others is not None:
        verdict = verdict_with(others, search)
        write(comparison(verdict))
    if args.plot is not None:
        for warning in save_plot(search.fitted, args.plot):
            tell(f"warning: {warning}")
        write(f"\nThe scores of all depths are drawn in {args.plot}.\n")
    if args.report is not None:
        for warning in save_report(args.report, table, search, seen, verdict, args.command):
            tell(f"warning: {warning}")
        write(f"\nThe report is in {args.report}.\n")
    if args.output is not None:
        best = best_of_all(table, search, others, verdict, args.jobs, args.seed)
        _save(best.model, args.output, table.X)
        write(how_to_load(args.output, table, best.name, best.note))


def _network(args: argparse.Namespace, table):
    """What is searched."""
    from ._estimators.classifier import MultiTaskClassifier
    from ._estimators.regressor import MultiTaskRegressor

    cls = MultiTaskClassifier if table.of_classes else MultiTaskRegressor
    return cls(
        trunk_sizes=tuple(args.trunk),
        head_sizes=tuple(args.head),
        epochs=args.epochs or "auto",
        n_members=args.members,
        random_state=args.seed,
    )


def _others_and_seconds_left(args: argparse.Namespace, table, network, folds):
    """The other models of --compare, if asked for, and what they leave of the time."""
    if not args.compare:
        return None, args.max_seconds
    from ._cli.comparison import compare_others

    total, started = args.max_seconds, time.perf_counter()
    others = compare_others(table, network, folds, args.jobs, args.seed, total)
    if others.left_out:
        tell(
            f"warning: --max-seconds {total} is too little to compare with "
            f"{' and '.join(others.left_out)}, for which there is a quarter of it"
        )
    if total is None:
        return others, None
    return others, max(total - (time.perf_counter() - started), total / 2)


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


def _check_ending(output: str | None) -> None:
    """A model has any name but that of another kind of file, such as a table."""
    path = Path((output or "").lower())
    if path.suffix in OF_COMPRESSED:
        path = path.with_suffix("")
    if path.suffix in OF_OTHER_FILES:
        raise InputError(
            f"--output {output!r} would be a pickled model: name it model.joblib or "
            "the like, or model.onnx for a graph"
        )


def _check_different(files: dict[str, str | None]) -> None:
    """No file is written over the table, or over another that is written."""
    seen: dict[Path, str] = {}
    for what, file in files.items():
        if file is None:
            continue
        first = seen.setdefault(Path(file).resolve(), what)
        if first != what:
            raise InputError(f"{first} and {what} are the same file {file!r}: name another")


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


if __name__ == "__main__":
    sys.exit(main())
