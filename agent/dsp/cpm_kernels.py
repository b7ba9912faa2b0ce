# mypy: allow-untyped-decorators
"""Numba kernels of the sequence detector for frequency-shift keying, and of its front end.

Knows arrays and numbers only; signals are planar as in ``kernels.py``. The typed wrappers stand in
``frequency_shift.py`` and ``sequence_detection.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REORDER = {"reassoc", "contract"}  # lets sums be vectorised; NaN and infinities keep their meaning


@njit(nogil=True, cache=True, fastmath=_REORDER, inline="always")
def _angle_cycles(y: np.float32, x: np.float32) -> np.float32:
    """Give the angle of (x, y) in cycles, within 2e-6 of it: a polynomial fitted to the arc tangent on 0 to 1."""
    ax, ay = abs(x), abs(y)
    top, low = max(ax, ay), min(ax, ay)
    q = low / (top + np.float32(1e-30))
    s = q * q
    r = np.float32(0.00331746)
    for c in (-0.01355278, 0.02867307, -0.0525696, 0.15913367):
        r = r * s + np.float32(c)
    r *= q
    r = np.float32(0.25) - r if ay > ax else r
    r = np.float32(0.5) - r if x < 0 else r
    return -r if y < 0 else r


@njit("void(float32[:,::1], float64[::1], float32[::1])", nogil=True, cache=True, fastmath=_REORDER)
def discriminate(samples: NDArray[np.float32], state: NDArray[np.float64], out: NDArray[np.float32]) -> None:
    """Give the frequency in cycles a sample: the angle from each planar complex sample to the next.

    ``out[i]`` lies half a sample before ``samples[:, i]``. ``state`` carries the last sample (I, Q).
    """
    n = samples.shape[1]
    if n == 0:
        return
    a, b = np.float32(state[0]), np.float32(state[1])
    c, d = samples[0, 0], samples[1, 0]
    out[0] = _angle_cycles(d * a - c * b, c * a + d * b)
    for i in range(1, n):
        a, b = samples[0, i - 1], samples[1, i - 1]
        c, d = samples[0, i], samples[1, i]
        out[i] = _angle_cycles(d * a - c * b, c * a + d * b)
    state[0], state[1] = samples[0, n - 1], samples[1, n - 1]


@njit(nogil=True, cache=True, fastmath=_REORDER, inline="always")
def _sine_of_cycles(x: np.float32) -> np.float32:
    """Give sin(2 pi x) within 1.1e-3 of it, by two parabolas."""
    x -= np.float32(np.floor(x + np.float32(0.5)))
    y = np.float32(8.0) * x - np.float32(16.0) * x * abs(x)
    return np.float32(0.225) * (y * abs(y) - y) + y


@njit(
    "void(float32[::1], int64[::1], float32[:,::1], float64[::1], float32[:,::1])",
    nogil=True,
    cache=True,
    fastmath=_REORDER,
)
def remodulate(
    frequency: NDArray[np.float32],
    bounds: NDArray[np.int64],
    levels: NDArray[np.float32],
    state: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Turn a discriminator's output back into the signal it came from, at a constant amplitude.

    Group ``g`` is ``frequency[bounds[g]:bounds[g + 1]]``; its ``levels`` (from ``level_symbols``) say where zero
    is and how much a full deviation: the amplitude of single symbols and what their neighbours add or take.
    ``state`` carries (phase in cycles, that smear, averaged over good groups) and holds (cycles a sample that
    the full deviation is to be). ``out[:, i]`` is the phasor after ``frequency[i]``.
    """
    phase, smear, full = state[0], state[1], state[2]
    for g in range(levels.shape[0]):
        if levels[g, 2] < 0.4:  # an eye that is open at all; noise alone has 0.57
            smear += 0.03 * (levels[g, 3] - smear)
            smear = min(max(smear, -0.2), 1.0)
        middle = levels[g, 0]
        gain = np.float32(full / (levels[g, 1] * (1.0 + smear)))
        turned = np.float32(0.0)
        for i in range(bounds[g], bounds[g + 1]):
            turned += (frequency[i] - middle) * gain
            x = np.float32(phase) + turned
            out[0, i] = _sine_of_cycles(x + np.float32(0.25))
            out[1, i] = _sine_of_cycles(x)
        phase += turned
        phase -= np.floor(phase)
    state[0], state[1] = phase, smear


@njit("void(float32[:,::1], int64, int64, int64, float64[:,::1])", nogil=True, cache=True, fastmath=_REORDER)
def tone_middles(samples: NDArray[np.float32], size: int, step: int, symbol: int, out: NDArray[np.float32]) -> None:
    """Find the middle between two tones in overlapping windows of ``size`` samples, ``step`` apart.

    The frequency is taken from the correlation with two samples later, summed over a whole symbol (``symbol``
    samples), four times a symbol, where it turns round or stands still: on the way from tone to tone it says
    nothing. It is weighed by the power squared, so that a burst speaks and the silence beside it does not, and
    split in two by the mean until that stands still. Noise in half the band does not correlate two samples
    apart and so does not pull. ``out[w]`` is (middle in cycles a sample times weight, weight).
    """
    quarter = max(1, symbol // 4)
    count = (samples.shape[1] - symbol - 2) // quarter + 1
    values, weights = np.empty(count), np.empty(count)
    sum_re, sum_im = 0.0, 0.0
    for i in range(samples.shape[1] - 2):
        a, b, c, d = samples[0, i], samples[1, i], samples[0, i + 2], samples[1, i + 2]
        sum_re += c * a + d * b
        sum_im += d * a - c * b
        j = i - symbol
        if j >= 0:
            a, b, c, d = samples[0, j], samples[1, j], samples[0, j + 2], samples[1, j + 2]
            sum_re -= c * a + d * b
            sum_im -= d * a - c * b
        if j >= -1 and (j + 1) % quarter == 0 and (j + 1) // quarter < count:
            at = (j + 1) // quarter
            power = sum_re * sum_re + sum_im * sum_im
            values[at] = _angle_cycles(np.float32(sum_im), np.float32(sum_re)) * np.float32(0.5)
            weights[at] = power * power
    before = values[0]
    for i in range(1, count - 1):
        here = values[i]
        if (here - before) * (values[i + 1] - here) > 0.0:
            weights[i] = 0.0
        before = here
    for w in range(out.shape[0]):
        first = (w * step + quarter - 1) // quarter
        last = min(count, (w * step + size - symbol - 2) // quarter + 1)
        total, mean = 1e-90, 0.0
        for i in range(first, last):
            total += weights[i]
            mean += weights[i] * values[i]
        middle = mean / total
        for _ in range(4):
            up, weight_up = 0.0, 0.0
            for i in range(first, last):
                is_up = 1.0 if values[i] > middle else 0.0
                up += is_up * weights[i] * values[i]
                weight_up += is_up * weights[i]
            weight_low = total - weight_up
            if weight_up <= 0.0 or weight_low <= 0.0:
                break
            middle = 0.5 * (up / weight_up + (mean - up) / weight_low)
        out[w, 0] = middle * total
        out[w, 1] = total


@njit(
    "void(float32[:,::1], int64, float64[::1], float64, float32[:,::1], float32[:,:,::1])",
    nogil=True,
    cache=True,
    fastmath=_REORDER,
)
def take_around(
    samples: NDArray[np.float32],
    origin: int,
    centres: NDArray[np.float64],
    spacing: float,
    bank: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Interpolate ``out.shape[2]`` samples ``spacing`` apart around each centre: ``out[symbol, i or q, sample]``.

    Sample ``i`` of the array is sample ``origin + i`` of the stream, in which the centres are counted.
    """
    phases = bank.shape[0] - 1
    n_taps = bank.shape[1]
    before = n_taps // 2 - 1
    count = out.shape[2]
    last = samples.shape[1] - n_taps
    for k in range(centres.shape[0]):
        for q in range(count):
            t = centres[k] + (q - 0.5 * (count - 1)) * spacing - origin
            i = int(np.floor(t))
            p = int((t - i) * phases + 0.5)
            i = min(max(i - before, 0), last)
            re, im = np.float32(0.0), np.float32(0.0)
            taps, x, y = bank[p], samples[0, i : i + n_taps], samples[1, i : i + n_taps]
            for j in range(n_taps):
                re += taps[j] * x[j]
                im += taps[j] * y[j]
            out[k, 0, q] = re
            out[k, 1, q] = im


@njit(
    "void(float32[:,:,::1], float32[:,:,::1], float32[:,::1], float64[::1], float32[:,::1], float32[:,::1],"
    " float32[::1], float32[:,::1])",
    nogil=True,
    cache=True,
    fastmath=_REORDER,
)
def detect_sequence(
    samples: NDArray[np.float32],
    templates: NDArray[np.float32],
    advances: NDArray[np.float32],
    gains: NDArray[np.float64],
    survivors: NDArray[np.float32],
    paths: NDArray[np.float32],
    soft: NDArray[np.float32],
    quality: NDArray[np.float32],
) -> None:
    """Find the likeliest bits of a continuous-phase signal whose phase each survivor follows for itself.

    A state is the last two bits; the branch to the next state adds a third, and the middle one of the three is
    the bit of the symbol now correlated, its neighbours bending its frequency. ``samples[k, i or q, :]`` is a
    symbol; ``templates[:, i or q, b]`` the conjugate of its expected course from phase zero for the bits ``b``
    (oldest first), ``advances[b]`` the phasor of the phase it gains. ``survivors[s]`` is (metric, reference
    real, imaginary, frequency phasor real, imaginary, squared miss); the reference is the carrier's phasor at
    the beginning of the symbol, averaged along the path. ``paths[s]`` holds the path's bits as ±reliability, in a
    ring. ``gains`` is (memory of the reference, frequency gain, greatest turn, scale of a sample, the ring's next
    place). ``soft`` gets the bit that leaves the paths with each symbol. ``quality[:, k]`` gets
    (squared miss, squared reference, turn) of the likeliest path at each symbol.

    Source: G. Colavolpe and R. Raheli, "Noncoherent sequence detection of continuous phase modulations", IEEE
    Trans. Comm. 47 (1999); soft values after J. Hagenauer and P. Hoeher, GLOBECOM 1989.
    """
    memory, agility = np.float32(gains[0]), np.float32(gains[1])
    widest, scale = np.float32(gains[2]), np.float32(gains[3])
    rest = np.float32(1.0) - memory
    zero, one, tiny, sure = np.float32(0.0), np.float32(1.0), np.float32(1e-12), np.float32(1e3)
    place = int(gains[4])  # of the oldest bit of the paths, which are rings
    depth = paths.shape[1]
    n_taps = samples.shape[2]
    corr_re, corr_im = np.empty(8, dtype=np.float32), np.empty(8, dtype=np.float32)
    fresh = np.empty_like(survivors)
    fresh_paths = np.empty_like(paths)
    norm = scale / np.float32(n_taps)
    for k in range(samples.shape[0]):
        corr_re[:] = np.float32(0.0)
        corr_im[:] = np.float32(0.0)
        for q in range(n_taps):
            x, y = samples[k, 0, q] * norm, samples[k, 1, q] * norm
            course_re, course_im = templates[q, 0], templates[q, 1]
            for b in range(8):
                corr_re[b] += x * course_re[b] - y * course_im[b]
                corr_im[b] += x * course_im[b] + y * course_re[b]
        best_metric = np.float32(-1e30)
        best_state = 0
        for new in range(4):
            # The two ways into (middle, newest): from (0, middle) and from (1, middle).
            low_state, high_state = new >> 1, (new >> 1) | 2
            branch, high_branch = new, new | 4
            r, s = survivors[low_state, 1], survivors[low_state, 2]
            size = one / np.sqrt(r * r + s * s + tiny)
            metric = survivors[low_state, 0] + (corr_re[branch] * r + corr_im[branch] * s) * size
            high_r, high_s = survivors[high_state, 1], survivors[high_state, 2]
            high_size = one / np.sqrt(high_r * high_r + high_s * high_s + tiny)
            high = (
                survivors[high_state, 0]
                + (corr_re[high_branch] * high_r + corr_im[high_branch] * high_s) * high_size
            )
            winner, loser, gap = low_state, high_state, metric - high
            if high > metric:
                winner, loser, gap = high_state, low_state, -gap
                branch, metric, r, s, size = high_branch, high, high_r, high_s, high_size
            a, b_ = corr_re[branch], corr_im[branch]
            error = (b_ * r - a * s) * size
            # Turn the frequency phasor by a small angle, hold it within bounds and at unit size.
            turn = agility * min(max(error, -one), one)
            v, u = survivors[winner, 3], survivors[winner, 4]
            u = min(max(u + v * turn, -widest), widest)
            v = np.sqrt(one - u * u)
            x, y = a - r, b_ - s
            fresh[new, 5] = x * x + y * y
            r = memory * r + rest * a
            s = memory * s + rest * b_
            c, d = advances[branch, 0], advances[branch, 1]
            c, d = c * v - d * u, c * u + d * v
            fresh[new, 0] = metric
            fresh[new, 1] = r * c - s * d
            fresh[new, 2] = r * d + s * c
            fresh[new, 3] = v
            fresh[new, 4] = u
            path, other, extended = paths[winner], paths[loser], fresh_paths[new]
            for i in range(depth):
                kept = path[i]
                bound = gap if kept * other[i] < zero else sure
                extended[i] = min(max(kept, -bound), bound)
            extended[place] = sure if new & 1 else -sure
            if metric > best_metric:
                best_metric = metric
                best_state = new
        for state in range(4):
            fresh[state, 0] -= best_metric
        survivors, fresh = fresh, survivors
        paths, fresh_paths = fresh_paths, paths
        place = place + 1 if place + 1 < depth else 0
        soft[k] = paths[best_state, place]
        quality[0, k] = survivors[best_state, 5]
        quality[1, k] = survivors[best_state, 1] ** 2 + survivors[best_state, 2] ** 2
        quality[2, k] = survivors[best_state, 4]
    gains[4] = place
    if samples.shape[0] % 2:
        # The caller's arrays are those called fresh now.
        fresh[:, :] = survivors
        fresh_paths[:, :] = paths
