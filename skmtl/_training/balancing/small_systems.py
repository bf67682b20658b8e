"""Small symmetric systems, quadratic programs and spectra, one exchange at a time.

XLA needs a second or so to compile TensorFlow's decompositions on a CPU, and a hundredth
of that for a loop whose body changes the whole matrix.
"""

from __future__ import annotations

import tensorflow as tf


def solution(M, b):
    """x with M x = b, M being positive definite."""
    n = M.shape[0]
    _, tableau = tf.while_loop(
        lambda k, tableau: k < n,
        lambda k, tableau: (k + 1, _exchange(tableau, k)),
        (tf.constant(0), _tableau(M, -b)),
    )
    return tableau[:, n]


def nonnegative_minimum(M, q):
    """The z >= 0 of the smallest z^T M z / 2 + q^T z, M being positive definite.

    By principal pivots (Murty 1974): z >= 0, w = M z + q >= 0 and z^T w = 0. Of every
    pair one is in the basis; whichever is negative there is exchanged for the other, at
    first the most negative one, which is quick, then the first one, which ends.
    """
    n = M.shape[0]
    index = tf.range(n)
    tolerance = 1e-6 * tf.reduce_max(tf.abs(q))

    def some_are_negative(n_steps, tableau, chosen):
        return (n_steps < 8 * n) & tf.reduce_any(tableau[:, n] < -tolerance)

    def exchange_one(n_steps, tableau, chosen):
        basic = tableau[:, n]
        first = tf.argmax(basic < -tolerance, output_type=tf.int32)
        most = tf.argmin(basic, output_type=tf.int32)
        k = tf.where(n_steps < 3 * n, most, first)
        return n_steps + 1, _exchange(tableau, k), chosen ^ (index == k)

    _, tableau, chosen = tf.while_loop(
        some_are_negative,
        exchange_one,
        (tf.constant(0), _tableau(M, q), tf.zeros(n, tf.bool)),
    )
    chosen = tf.cast(chosen, tf.float32)
    z = chosen * tableau[:, n]
    # One step of refinement takes back what the exchanges lost in single precision.
    z += chosen * product(tableau[:, :n], chosen * (product(M, z) + q))
    return tf.maximum(z, 0.0)


def spectrum(M):
    """Eigenvalues (n,) of a symmetric M, in no order, and eigenvectors as rows (n, n).

    By Jacobi's rotations, of half of the rows with the other half at a time; in between
    they move on as in a round-robin tournament (Brent & Luk 1985). An odd n becomes even.
    """
    half = (M.shape[0] + 1) // 2
    n = 2 * half
    A = tf.pad(M, [[0, n - M.shape[0]]] * 2)
    tolerance = 1e-6 * tf.reduce_max(tf.abs(M))

    def not_diagonal(n_rounds, A, V):
        off_diagonal = tf.abs(tf.linalg.set_diag(A, tf.zeros(n)))
        return (n_rounds < 12 * (n - 1)) & (tf.reduce_max(off_diagonal) > tolerance)

    def rotate(n_rounds, A, V):
        a = tf.linalg.diag_part(A[:half, half:])
        diagonal = tf.linalg.diag_part(A)
        difference = diagonal[half:] - diagonal[:half]
        sign = tf.where(difference < 0, -1.0, 1.0)
        hypotenuse = tf.sqrt(difference**2 + 4 * a**2)
        t = tf.math.divide_no_nan(2 * a * sign, tf.abs(difference) + hypotenuse)
        c = (1 / tf.sqrt(1 + t**2))[:, None]
        s = t[:, None] * c

        def rows(B):
            top = c * B[:half] - s * B[half:]
            bottom = s * B[:half] + c * B[half:]
            if half == 1:
                return tf.concat([top, bottom], axis=0)
            moved_on = [top[:1], bottom[:1], top[1:-1], bottom[1:], top[-1:]]
            return tf.concat(moved_on, axis=0)

        return n_rounds + 1, rows(tf.transpose(rows(A))), rows(V)

    _, A, V = tf.while_loop(not_diagonal, rotate, (tf.constant(0), A, tf.eye(n)))
    return tf.linalg.diag_part(A), V[:, : M.shape[0]]


def product(A, x):
    """A x: XLA fuses a sum into what comes before, but not a matrix product."""
    return tf.reduce_sum(A * x, axis=1)


def _tableau(M, q):
    """Of w - M z = q: coefficients of what is outside the basis, and values inside it."""
    return tf.concat([-M, q[:, None]], axis=1)


def _exchange(tableau, k):
    """Gauss and Jordan's step: pair k changes places in the basis."""
    n = tableau.shape[0]
    column = tf.gather(tableau, k, axis=1)
    unit = tf.one_hot(k, n)
    tableau = tf.where(tf.range(n + 1) == k, unit[:, None], tableau)
    # Not tableau[k]: for XLA a slice's start is a constant. If it depends on an argument,
    # the program is compiled again for every value of that.
    pivot = tf.gather(column, k)
    row = tf.gather(tableau, k) / tf.minimum(pivot, -1e-12)  # negative, but for rounding
    return tableau - (column - unit)[:, None] * row
