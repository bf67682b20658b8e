"""Benchmarks, run as modules: ``python -m benchmarks.speed``. Results: RESULTS.md."""

import os

# For TensorFlow in this process and in those that it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Threads of OpenMP, in scikit-learn's and XGBoost's trees, wait without spinning: on a busy
# machine a fit can take a hundred times as long else.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Before anything imports TensorFlow: skmtl then does so without its log lines. The other
# way round it would compile a small function at once, a warm-up that nobody paid for.
import skmtl._training  # noqa: F401
