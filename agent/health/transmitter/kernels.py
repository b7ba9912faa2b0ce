"""The inner loop of the Doppler test, over any number of windows at once.

Arrays only; ``doppler_test`` makes them and says what the numbers mean. A window is a stretch of samples (time,
measured minus predicted frequency). Its residual is projected on the straight line, parabola and cubic that are
orthogonal to a constant over the very samples there are: what a wrong transmitter shows is smooth, so that three
numbers hold nearly all of it, and one constant offset is taken out by the way. Columns of ``out``::

    0 statistic       z' S^-1 z, NaN when there are too few samples
    1 noise_hz        standard deviation of one sample, from second differences (blind to what is smooth)
    2 freedom         degrees of freedom of that estimate
    3 offset_hz       mean residual
    4 fixed_carrier   the statistic a carrier of constant frequency would have in this window, without noise
    5 scatter_hz      standard deviation of the residual about its mean
    6 span_s          from the first sample to the last
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

FEWEST = 6
COLUMNS = 7


@numba.njit(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64, float64, float64, float64,"
    " float64[:, ::1])",
    nogil=True,
    cache=True,
)
def judge_windows(
    ends: NDArray[np.int64],
    times_s: NDArray[np.float64],
    residual_hz: NDArray[np.float64],
    slope_hz_s: NDArray[np.float64],
    predicted_hz: NDArray[np.float64],
    time_error_s: float,
    drift_hz_s: float,
    model_hz: float,
    least_noise_hz: float,
    out: NDArray[np.float64],
) -> None:
    """Judge windows that end before the samples ``ends[w]``; times ascend within each.

    ``slope_hz_s`` is how the prediction changes (what an error of time multiplies), ``time_error_s`` and
    ``drift_hz_s`` the standard deviations of the elements' error along the track and of the oscillators' drift,
    ``model_hz`` the size of everything else that is smooth: errors across the track, a drift that bends.
    """
    longest, begin = 0, 0
    for w in range(ends.shape[0]):
        longest = max(longest, ends[w] - begin)
        begin = ends[w]
    basis = np.empty((4, longest))
    z = np.empty((3, 3))
    begin = 0
    for w in range(ends.shape[0]):
        first, end = begin, ends[w]
        begin = end
        n = end - first
        out[w, :] = np.nan
        if n < FEWEST:
            continue
        middle = 0.5 * (times_s[first] + times_s[end - 1])
        half = 0.5 * (times_s[end - 1] - times_s[first])
        if half <= 0.0:
            continue
        # Legendre's polynomials are nearly orthogonal over the samples; Gram and Schmidt make them so.
        for i in range(n):
            x = (times_s[first + i] - middle) / half
            basis[0, i] = 1.0
            basis[1, i] = x
            basis[2, i] = 1.5 * x * x - 0.5
            basis[3, i] = (2.5 * x * x - 1.5) * x
        degenerate = False
        for k in range(4):
            for j in range(k):
                dot = 0.0
                for i in range(n):
                    dot += basis[j, i] * basis[k, i]
                for i in range(n):
                    basis[k, i] -= dot * basis[j, i]
            size = 0.0
            for i in range(n):
                size += basis[k, i] * basis[k, i]
            if size < 1e-6 * n:
                degenerate = True
                break
            scale = 1.0 / np.sqrt(size)
            for i in range(n):
                basis[k, i] *= scale
        if degenerate:
            continue
        # What is smooth drops out of the difference between a sample and the line through its neighbours.
        total, used = 0.0, 0
        for i in range(first + 1, end - 1):
            gap = times_s[i + 1] - times_s[i - 1]
            if gap <= 0.0:
                continue
            a = (times_s[i + 1] - times_s[i]) / gap
            b = 1.0 - a
            miss = residual_hz[i] - a * residual_hz[i - 1] - b * residual_hz[i + 1]
            total += miss * miss / (1.0 + a * a + b * b)
            used += 1
        noise = max(total / max(used, 1), least_noise_hz * least_noise_hz)
        mean = 0.0
        for i in range(first, end):
            mean += residual_hz[i]
        mean /= n
        spread = 0.0
        for i in range(first, end):
            spread += (residual_hz[i] - mean) ** 2
        # Rows of z: the residual, an error of time, a carrier that stays where it is; the drift is a straight line.
        drift = 0.0
        for i in range(n):
            drift += basis[1, i] * times_s[first + i]
        for k in range(3):
            z[0, k] = z[1, k] = z[2, k] = 0.0
            for i in range(n):
                z[0, k] += basis[k + 1, i] * residual_hz[first + i]
                z[1, k] += basis[k + 1, i] * slope_hz_s[first + i]
                z[2, k] -= basis[k + 1, i] * predicted_hz[first + i]
        model = model_hz**2 * n / 3.0
        s00 = noise + model + time_error_s**2 * z[1, 0] * z[1, 0] + drift_hz_s**2 * drift * drift
        s11 = noise + model + time_error_s**2 * z[1, 1] * z[1, 1]
        s22 = noise + model + time_error_s**2 * z[1, 2] * z[1, 2]
        s01 = time_error_s**2 * z[1, 0] * z[1, 1]
        s02 = time_error_s**2 * z[1, 0] * z[1, 2]
        s12 = time_error_s**2 * z[1, 1] * z[1, 2]
        c00, c01, c02 = s11 * s22 - s12 * s12, s02 * s12 - s01 * s22, s01 * s12 - s02 * s11
        c11, c12, c22 = s00 * s22 - s02 * s02, s01 * s02 - s00 * s12, s00 * s11 - s01 * s01
        determinant = s00 * c00 + s01 * c01 + s02 * c02
        for row in range(0, 3, 2):
            p, q, r = z[row, 0], z[row, 1], z[row, 2]
            energy = p * p * c00 + q * q * c11 + r * r * c22 + 2.0 * (p * q * c01 + p * r * c02 + q * r * c12)
            out[w, 2 * row] = energy / determinant
        out[w, 1] = np.sqrt(noise)
        # Second differences are correlated: 1 + 2 (16/36 + 1/36) of them make one independent value.
        out[w, 2] = used / (70.0 / 36.0)
        out[w, 3] = mean
        out[w, 5] = np.sqrt(spread / (n - 1))
        out[w, 6] = 2.0 * half
