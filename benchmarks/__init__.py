"""Benchmarks, run as modules: ``python -m benchmarks.speed``. Results: RESULTS.md."""

import os

# For TensorFlow in this process and in those that it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Before anything imports TensorFlow: skmtl then does so without its log lines. The other
# way round it would compile a small function at once, a warm-up that nobody paid for.
import skmtl._training  # noqa: F401
