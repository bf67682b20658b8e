"""Compiled programs that outlive their process, in a folder of the user's alone.

XLA writes a program there when it has compiled it and reads it when it would compile it
again. It stops at a file that it can't read, so before TensorFlow starts all files go that
are not, byte for byte, what an earlier process has left when it ended.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

SETTING = "SKMTL_CACHE_DIR"  # a folder, or "off"
OFF = ("", "off")
FLAG = "--tf_xla_persistent_cache_directory="
MAX_BYTES = 2**29  # of programs: about 500


def keep_programs() -> None:
    """Let XLA keep programs where the environment says so; before TensorFlow is imported.

    Nothing is done for a TensorFlow that is there already, nor against a folder that
    `TF_XLA_FLAGS` names.
    """
    setting = os.environ.get(SETTING, "")
    if setting.lower() in OFF or "tensorflow" in sys.modules:
        return
    folder = Path(setting).expanduser().absolute() / _made_by()
    flag, flags = f"{FLAG}{folder}", os.environ.get("TF_XLA_FLAGS", "")
    if FLAG in flags and flag not in flags:
        return
    if " " in str(folder) or not _is_private(folder):  # flags are parted by spaces
        return
    _remove_unknown(folder)
    _remove_oldest(folder)
    if flag not in flags:
        os.environ["TF_XLA_FLAGS"] = f"{flags} {flag}".strip()
    atexit.register(_write_checksums, folder, os.getpid())


def default_folder() -> str:
    """Where the command line keeps programs unless told otherwise."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path("~", ".cache")
    return str(Path(caches, "skmtl").expanduser())


def _made_by() -> str:
    """What must be the same for a program to run: TensorFlow and the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        processor = platform.processor()
    made_by = f"{version('tensorflow')} {platform.platform()} {processor}"
    return hashlib.sha256(made_by.encode()).hexdigest()[:16]


def _is_private(folder: Path) -> bool:
    """Make the folder, and tell whether nobody else can write there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:  # such as a file system that can't be written to
        return False
    of_user = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return (
        of_user
        and folder.is_dir()
        and not folder.is_symlink()
        and (os.name == "nt" or not status.st_mode & 0o077)
    )


def _remove_unknown(folder: Path) -> None:
    for file in folder.glob("*.pb"):
        checksum = _checksum_file(file)
        if not checksum.is_file() or checksum.read_text() != _digest(file):
            file.unlink(missing_ok=True)
            checksum.unlink(missing_ok=True)


def _remove_oldest(folder: Path) -> None:
    n_bytes = 0
    by_age = sorted(folder.glob("*.pb"), key=lambda file: -file.stat().st_mtime)
    for file in by_age:
        n_bytes += file.stat().st_size
        if n_bytes > MAX_BYTES:
            file.unlink(missing_ok=True)
            _checksum_file(file).unlink(missing_ok=True)


def _write_checksums(folder: Path, process: int) -> None:
    """Say of every program that it is complete, at the end of the process that ran it."""
    if os.getpid() != process:
        return
    for file in folder.glob("*.pb"):
        if not _checksum_file(file).exists():
            _checksum_file(file).write_text(_digest(file))


def _checksum_file(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
