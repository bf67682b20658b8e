"""XLA's executables: how many a process may hold, and how they are given back.

What XLA makes of a function belongs to a resource of TensorFlow that outlives the function.
An executable of ours has some 250 memory mappings, of which Linux gives a process 65530:
after 250 architectures it would end with a segmentation fault. So the resource is destroyed
now and then. Functions that are still there are compiled again when they are next called.
Of the 12 to 40 MB that an executable takes, about a third is given back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

MAX_COMPILED = 100  # until executables are given back; those kept come on top of it
RESOURCE = "xla_device_compiler"
# TensorFlow's Hash64 of its type, as GCC and Clang mangle that:
# N10tensorflow14DeviceCompilerIN3xla15LocalExecutableENS1_11LocalClientEEE
RESOURCE_TYPE = 0x6B406BD7CBE180FF

_lock = threading.Lock()
_n_executing = 0
_n_compiled = 0


@contextmanager
def executing() -> Iterator[None]:
    """Around the call of a compiled function: nothing is given back meanwhile."""
    global _n_executing
    with _lock:
        _n_executing += 1
    try:
        yield
    finally:
        with _lock:
            _n_executing -= 1


def compiling() -> None:
    """To be called before compiling a function: gives executables back if it is time to."""
    global _n_compiled
    with _lock:
        if _n_compiled >= MAX_COMPILED and not _n_executing:
            give_back()
            _n_compiled = 0
        _n_compiled += 1


def give_back() -> None:
    """Destroy all executables of the CPU. None may be executing.

    Where TensorFlow knows the resource by another name or type, nothing happens.
    """
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
