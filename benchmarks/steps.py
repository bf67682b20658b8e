"""What a step costs with other ways to share and to balance, beside the plain network's.

::

    python -m benchmarks.steps [--repeats 7]

The network and table of `benchmarks.speed`: 1000 rows, 20 features, trunk (64, 64), heads
(32,), batches of 32. Times are medians of warm fits, taken in turns with those of the plain
network; *compile* is the first fit's time, less a warm one's, also in units of the plain
network's. By hand, a step with "pcgrad" is a backward pass in Keras for every target, in a
``tf.function``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._training import PROGRAMS
from skmtl._training.balancing.by_gradients import GRAMIAN_WEIGHTS

from ._report import circumstances, markdown_table, write_section
from ._rivals import BATCH_SIZE, hand_written
from .speed import N_FEATURES, N_ROWS, PLAIN, network, table

RESULTS = Path(__file__).with_name("RESULTS.md")
EPOCHS = 20
STEPS = EPOCHS * -(-N_ROWS // BATCH_SIZE)
WAYS: dict[str, tuple[dict, int, str]] = {
    f"{name}, {n_targets} targets": (parameters, n_targets, aim)
    for name, parameters, aims in [
        ("4 experts", {"n_experts": 4}, ("4", "")),
        ("uncertainty", {"loss_weights": "uncertainty"}, ("1.1", "1.1")),
        ("dwa", {"loss_weights": "dwa"}, ("1.1", "1.1")),
        ("famo", {"loss_weights": "famo"}, ("1.1", "1.1")),
        *(
            (name, {"loss_weights": name}, ("2.5", "6"))
            for name in ("pcgrad", "mgda", "cagrad", "imtl_g", "nash", "aligned", "upgrad")
        ),
    ]
    for n_targets, aim in zip((3, 30), aims, strict=True)
}


def fit(n_targets: int, **parameters) -> float:
    """Seconds of a fit."""
    X, Y = table(n_tasks=n_targets)
    model = MultiTaskRegressor(**network(EPOCHS), **PLAIN, **parameters)
    start = perf_counter()
    model.fit(X, Y)
    return perf_counter() - start


def first_and_warm(n_targets: int, repeats: int, **parameters) -> np.ndarray:
    """Compile seconds and warm seconds, of the plain network and of this one."""
    sides = [{}, parameters]
    first = []
    for side in sides:
        PROGRAMS.clear()
        first.append(fit(n_targets, **side))
    for side in sides:  # cleared away by the other
        fit(n_targets, **side)
    warm = np.median(
        [[fit(n_targets, **side) for side in sides] for _ in range(repeats)], axis=0
    )
    return np.stack([np.subtract(first, warm), warm])


def step_by_hand(n_targets: int, method: str) -> float:
    """Seconds of a step in Keras."""
    X, Y = table(n_tasks=n_targets)
    x, y = (tf.constant(A[:BATCH_SIZE], tf.float32) for A in (X, Y))
    model, optimizer = hand_written(N_FEATURES, n_targets), keras.optimizers.Adam()
    variables = model.trainable_variables
    n_shared = 4  # kernels and biases of the trunk
    optimizer.build(variables)

    @tf.function
    def step():
        with tf.GradientTape(persistent=True) as tape:
            outputs = model(x, training=True)
            losses = [
                tf.reduce_mean((y[:, t : t + 1] - f) ** 2) for t, f in enumerate(outputs)
            ]
        sources = [v.value for v in variables]  # of Keras', dtypes are text
        of_tasks = [
            tape.gradient(loss, sources, unconnected_gradients="zero") for loss in losses
        ]
        rows = [
            tf.concat([tf.reshape(g, [-1]) for g in of[:n_shared]], 0) for of in of_tasks
        ]
        J = tf.stack(rows)
        w = GRAMIAN_WEIGHTS[method](J @ tf.transpose(J), tf.ones(n_targets))
        shared = [
            tf.tensordot(w, tf.stack(of), 1)
            for of in zip(*(of[:n_shared] for of in of_tasks), strict=True)
        ]
        own = [
            sum(of) / n_targets
            for of in zip(*(of[n_shared:] for of in of_tasks), strict=True)
        ]
        optimizer.apply_gradients(zip([*shared, *own], variables, strict=True))

    step()
    start = perf_counter()
    for _ in range(20):
        step()
    return (perf_counter() - start) / 20


def rows(repeats: int) -> list[list[str]]:
    found = []
    for name, (parameters, n_targets, aim) in WAYS.items():
        compiling, warm = first_and_warm(n_targets, repeats, **parameters)
        ratio = warm[1] / warm[0]
        row = [
            name,
            f"{warm[0] / STEPS * 1e6:.0f} us",
            f"{warm[1] / STEPS * 1e6:.0f} us",
            f"{ratio:.2f}",
            aim and f"at most {aim}",
            "" if not aim else "met" if ratio <= float(aim) else "**not met**",
            f"{compiling[1] / compiling[0]:.2f}",
        ]
        sys.stderr.write(" | ".join(row) + "\n")
        found.append(row)
    return found


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(argv)
    lines = ["## What a step costs with other ways to share", "", *circumstances(), ""]
    lines += [" ".join(__doc__.split("::\n")[1].split("\n\n", 1)[1].split()), ""]
    header = ["way", "plain step", "step", "ratio", "aim", "", "compile"]
    lines += markdown_table(header, rows(options.repeats))
    seconds = step_by_hand(3, "pcgrad"), fit(3, loss_weights="pcgrad") / STEPS
    lines += [
        "",
        f"A step of pcgrad for 3 targets by hand in Keras takes {1e6 * seconds[0]:.0f} us, "
        f"here {1e6 * seconds[1]:.0f} us: {seconds[0] / seconds[1]:.0f} times as long.",
    ]
    write_section(RESULTS, "steps", lines)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
