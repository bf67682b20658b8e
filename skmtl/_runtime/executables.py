"""XLA's executables: how many a process may hold, and how they are given back.

What XLA makes of a function belongs to a resource of TensorFlow that outlives the function.
An executable of ours has some 250 memory mappings, of which Linux gives a process 65530:
after 250 architectures it would end with a segmentation fault. So the resource is destroyed
now and then. Functions that are still there are compiled again when they are next called.
Of the 12 to 40 MB that an executable takes, about a third is given back.

TensorFlow does not hold on to an executable while it runs it: if the resource is destroyed
meanwhile, the process dies, whoever's function it was. Keras compiles by XLA, too, and a
user may have threads that we know nothing of. So for that moment no function of TensorFlow
may start in any thread, and nothing is destroyed before all threads have come out of it.
Not seen are functions in a `tf.data` pipeline that no thread is waiting for.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import tensorflow as tf

from .._third_party import tensorflow_context

MAX_COMPILED = 100  # until executables are given back; those kept come on top of it
PATIENCE = 20.0  # seconds for which other threads may still be inside TensorFlow
MAX_SHARE_OF_MAPPINGS = 0.95
RESOURCE = "xla_device_compiler"
# TensorFlow's Hash64 of its type, as GCC and Clang mangle that:
# N10tensorflow14DeviceCompilerIN3xla15LocalExecutableENS1_11LocalClientEEE
RESOURCE_TYPE = 0x6B406BD7CBE180FF

Context = tensorflow_context()  # whose method ``call_function`` all functions go through
_C = ctypes.CDLL(None) if os.name == "posix" else None  # the process's own C library
_lock = threading.RLock()
_n_compiled = 0


def compiling() -> None:
    """To be called before compiling a function: gives executables back if it is time to."""
    global _n_compiled
    with _lock:
        if _n_compiled >= MAX_COMPILED:
            # In vain, it is tried again after some more: each try may take PATIENCE.
            _n_compiled = 0 if give_back() else MAX_COMPILED * 3 // 4
        _check_mappings()
        _n_compiled += 1


def give_back() -> bool:
    """Destroy all executables of the CPU; False if a thread stays inside TensorFlow.

    Where TensorFlow knows the resource by another name or type, nothing happens.
    """
    if _is_inside_tensorflow(sys._getframe()):  # which would not change while we wait
        return False
    with _lock, _gate.closed():
        deadline = time.monotonic() + PATIENCE
        while _gate.passed_by_any():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        _destroy()
    return True


def _destroy() -> None:
    handle = tf.make_tensor_proto(0)
    handle.Clear()
    handle.dtype = tf.resource.as_datatype_enum
    handle.resource_handle_val.add(
        device="/job:localhost/replica:0/task:0/device:CPU:0",
        container="localhost",
        name=RESOURCE,
        hash_code=RESOURCE_TYPE,
    )
    with tf.device("CPU:0"):
        tf.raw_ops.DestroyResourceOp(
            resource=tf.io.parse_tensor(handle.SerializeToString(), tf.resource),
            ignore_lookup_error=True,
        )
    # glibc keeps what is free between blocks in use until it is told to give that back,
    # some 7 MB for each program. Other C libraries have no such function.
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)


class _Gate:
    """Where threads that are about to call a function of TensorFlow wait if it is closed.

    An open gate costs nothing: TensorFlow is then as it was.
    """

    def __init__(self):
        self._condition = threading.Condition()
        self._closed_by: int | None = None
        self._waiting: set[int] = set()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """To all threads but this one."""
        call_function = Context.call_function

        def wait_and_call(context, *args, **kwargs):
            self._wait()
            return call_function(context, *args, **kwargs)

        with self._condition:
            self._closed_by = threading.get_ident()
        Context.call_function = wait_and_call
        try:
            yield
        finally:
            Context.call_function = call_function
            with self._condition:
                self._closed_by = None
                self._condition.notify_all()

    def _wait(self) -> None:
        thread = threading.get_ident()
        with self._condition:
            self._waiting.add(thread)
            try:
                self._condition.wait_for(lambda: self._closed_by in (None, thread))
            finally:
                self._waiting.discard(thread)

    def passed_by_any(self) -> bool:
        """Whether a thread is inside TensorFlow that does not wait here."""
        with self._condition:  # so nobody leaves while the frames are looked at
            return any(
                _is_inside_tensorflow(frame)
                for thread, frame in sys._current_frames().items()
                if thread not in self._waiting
            )


_gate = _Gate()


def _is_inside_tensorflow(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("tensorflow."):
            return True
        frame = frame.f_back
    return False


def _check_mappings() -> None:
    """Refuse to compile what would end the process."""
    n_mappings, most = _mappings()
    if n_mappings > MAX_SHARE_OF_MAPPINGS * most and give_back():
        n_mappings, most = _mappings()
    if n_mappings > MAX_SHARE_OF_MAPPINGS * most:
        raise RuntimeError(
            f"This process holds {n_mappings} of the {most} memory mappings that the "
            "system allows, most of them for compiled networks, and one more might end it. "
            "They can't be given back while other threads are inside TensorFlow. Train "
            "when those have ended, or in another process, or raise vm.max_map_count."
        )


def _mappings() -> tuple[int, float]:
    """How many memory mappings this process has, and may have, where Linux tells."""
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_text())
        return Path("/proc/self/maps").read_bytes().count(b"\n"), most
    except OSError:
        return 0, float("inf")
