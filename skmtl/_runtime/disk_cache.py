"""Compiled programs that outlive their process, in a folder of the user's alone.

XLA writes a program there when it has compiled it and reads it when it would compile it
again. It stops at a file that it can't read, so before TensorFlow starts all files go that
are not, byte for byte, what an earlier process has left when it ended.

Several processes may use the folder at a time. Each shares a lock on it for as long as it
runs, and only one that gets the lock for itself alone removes anything: what is unfinished
then belongs to nobody. Where there are no such locks, as on Windows, nothing is removed.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

SETTING = "SKMTL_CACHE_DIR"  # a folder, or "off"
OFF = ("", "off")
FLAG = "--tf_xla_persistent_cache_directory="
LOCK = "in_use.lock"
MAX_BYTES = 2**29  # of programs: about 500

_locks = []  # files that stay open, and so locked, until the process ends


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
    try:
        alone = _lock(folder)
    except OSError:  # nothing can be written there
        return
    if alone:
        _remove_unknown(folder)
        _remove_oldest(folder)
        _share(_locks[-1])
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


def _lock(folder: Path) -> bool:
    """Lock the folder until the process ends; whether no other process does.

    If so, the others wait until the lock is shared.
    """
    # A number, not a file object, which would warn at the end that nobody closed it.
    _locks.append(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600))
    if fcntl is None:
        return False
    try:
        fcntl.flock(_locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _share(_locks[-1])
        return False
    except OSError:  # a file system without locks
        return False
    return True


def _share(lock) -> None:
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_SH)


# Below, a file may be gone or unreadable: a user may empty the folder at any time.


def _remove_unknown(folder: Path) -> None:
    for file in folder.glob("*.pb"):
        with suppress(OSError):
            checksum = _checksum_file(file)
            if not checksum.is_file() or checksum.read_text() != _digest(file):
                _remove(file)


def _remove_oldest(folder: Path) -> None:
    by_age = []
    for file in folder.glob("*.pb"):
        with suppress(OSError):
            status = file.stat()
            by_age.append((-status.st_mtime, status.st_size, file))
    n_bytes = 0
    for _, size, file in sorted(by_age):
        n_bytes += size
        if n_bytes > MAX_BYTES:
            with suppress(OSError):
                _remove(file)


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
    _checksum_file(file).unlink(missing_ok=True)


def _write_checksums(folder: Path, process: int) -> None:
    """Say of every program that it is complete, at the end of the process that ran it."""
    if os.getpid() != process:
        return
    for file in folder.glob("*.pb"):
        with suppress(OSError):
            if not _checksum_file(file).exists():
                _checksum_file(file).write_text(_digest(file))


def _checksum_file(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
