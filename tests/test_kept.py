"""Compiled programs that the next process finds."""

import os
import subprocess
import sys

import pytest

from skmtl._runtime import disk_cache as _kept

FIT = """
from skmtl import MultiTaskRegressor
from skmtl.datasets import load_slump

X, y = load_slump(return_X_y=True)
for optimizer in ("sgd", "adam"):
    model = MultiTaskRegressor(
        trunk_sizes=(8,), head_sizes=(4,), optimizer=optimizer, epochs=2, random_state=0
    )
    print(model.fit(X, y).predict(X[:1]).tolist())
"""


def run(code, folder):
    environment = {k: v for k, v in os.environ.items() if k != "TF_XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {_kept.SETTING: str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def programs(folder):
    return sorted(folder.glob("*/*.pb"))


def test_the_next_process_reads_what_is_intact(tmp_path):
    folder = tmp_path / "kept"

    expected = run(FIT, folder)

    intact, broken = programs(folder)
    assert intact.parent.stat().st_mode & 0o777 == 0o700
    written = intact.stat().st_mtime_ns
    broken.write_bytes(b"not a program")  # TensorFlow would stop at it
    assert run(FIT, folder) == expected
    assert intact.stat().st_mtime_ns == written
    assert programs(folder) == [intact, broken]
    assert broken.stat().st_size > 1000


@pytest.fixture
def before_tensorflow(monkeypatch):
    """As it is when nothing has imported TensorFlow yet."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    monkeypatch.setattr(_kept.atexit, "register", lambda *_: None)


def flags_after(monkeypatch, setting):
    monkeypatch.setenv(_kept.SETTING, str(setting))
    _kept.keep_programs()
    return os.environ.get("TF_XLA_FLAGS")


@pytest.mark.usefixtures("before_tensorflow")
def test_it_is_off_unless_asked_for(monkeypatch, tmp_path):
    assert flags_after(monkeypatch, "") == ""
    assert flags_after(monkeypatch, "OFF") == ""
    assert str(tmp_path) in flags_after(monkeypatch, tmp_path)


@pytest.mark.usefixtures("before_tensorflow")
def test_the_flags_of_the_user_stay(monkeypatch, tmp_path):
    monkeypatch.setenv("TF_XLA_FLAGS", f"{_kept.FLAG}/elsewhere")
    assert flags_after(monkeypatch, tmp_path) == f"{_kept.FLAG}/elsewhere"

    monkeypatch.setenv("TF_XLA_FLAGS", "--other=1")
    assert flags_after(monkeypatch, tmp_path).startswith(f"--other=1 {_kept.FLAG}")


@pytest.mark.usefixtures("before_tensorflow")
@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_folder_that_others_can_write_to_is_not_trusted(monkeypatch, tmp_path):
    folder = tmp_path / _kept._made_by()
    folder.mkdir()
    folder.chmod(0o777)

    assert flags_after(monkeypatch, tmp_path) == ""


def test_a_tensorflow_that_is_there_already_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    before = os.environ.get("TF_XLA_FLAGS")

    assert flags_after(monkeypatch, tmp_path) == before


STAY = """
import sys
from skmtl._runtime import disk_cache as _kept

_kept.keep_programs()
print("locked", flush=True)
sys.stdin.read()
"""


def start(folder):
    """A process that uses the folder, and the one folder in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", STAY],
        env=os.environ | {_kept.SETTING: str(folder), "TF_XLA_FLAGS": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    return process


def end(process):
    process.communicate(timeout=60)
    assert process.returncode == 0


def names(folder):
    return {f.name for f in folder.iterdir()} - {_kept.LOCK}


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_a_process_leaves_alone_what_another_one_has_compiled(tmp_path):
    first = start(tmp_path)
    (folder,) = tmp_path.iterdir()
    (folder / "of_first.pb").write_bytes(b"complete, or not yet")

    second = start(tmp_path)
    (folder / "of_second.pb").write_bytes(b"complete, or not yet")
    third = start(tmp_path)
    assert names(folder) == {"of_first.pb", "of_second.pb"}
    end(third)
    end(first)
    (folder / "of_second.sha256").unlink()
    end(start(tmp_path))  # the second still runs
    assert {"of_first.pb", "of_second.pb"} < names(folder)

    second.kill()  # so it leaves no checksums
    second.communicate(timeout=60)
    (folder / "of_second.sha256").unlink()
    end(start(tmp_path))  # alone
    assert names(folder) == {"of_first.pb", "of_first.sha256"}


@pytest.mark.usefixtures("before_tensorflow")
def test_files_may_vanish_at_any_time(monkeypatch, tmp_path):
    stat = type(tmp_path).stat
    vanishing = tmp_path / _kept._made_by() / "gone.pb"
    vanishing.parent.mkdir(mode=0o700)
    (vanishing.parent / "dangling.pb").symlink_to("nowhere")  # listed, and not there

    def gone(path, **options):
        if path.name == "gone.pb":
            path.unlink(missing_ok=True)
        return stat(path, **options)

    for step in ("_remove_unknown", "_remove_oldest"):
        vanishing.write_bytes(b"")
        with monkeypatch.context() as patch:
            patch.setattr(type(tmp_path), "stat", gone)
            getattr(_kept, step)(vanishing.parent)

    _kept._write_checksums(vanishing.parent, os.getpid())
    assert flags_after(monkeypatch, tmp_path)


@pytest.mark.usefixtures("before_tensorflow")
@pytest.mark.parametrize("without", ["module", "support"])
def test_without_locks_nothing_is_removed(monkeypatch, tmp_path, without):
    folder = tmp_path / _kept._made_by()
    folder.mkdir(mode=0o700)
    (folder / "unknown.pb").write_bytes(b"")
    if without == "module":
        monkeypatch.setattr(_kept, "fcntl", None)
    else:
        monkeypatch.setattr(_kept.fcntl, "flock", _unsupported)

    assert flags_after(monkeypatch, tmp_path)

    assert names(folder) == {"unknown.pb"}


def _unsupported(*_):
    raise OSError("no locks available")


def test_the_oldest_programs_make_room(monkeypatch, tmp_path):
    monkeypatch.setattr(_kept, "MAX_BYTES", 25)
    for age in range(4):
        file = tmp_path / f"{age}.pb"
        file.write_bytes(b"0123456789")
        os.utime(file, (1000 - age, 1000 - age))
    _kept._write_checksums(tmp_path, os.getpid())

    _kept._remove_oldest(tmp_path)

    assert {f.name for f in tmp_path.iterdir()} == {
        f"{age}.{kind}" for age in (0, 1) for kind in ("pb", "sha256")
    }
