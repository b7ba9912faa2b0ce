"""Numba kernels of the modems: resampling filters, symbol clock, symbol levels.

Knows arrays and numbers only. Signals are planar: float32[channels, n], one channel for real samples, two (I,
Q) for complex ones. Positions are counted in samples of the array given, so that the wrappers can keep a
sliding part of an endless stream. The typed wrappers stand in ``sampling.py`` and ``clock_recovery.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REORDER = {"reassoc", "contract"}  # lets sums be vectorised; NaN and infinities keep their meaning


@njit(
    "void(float32[:,::1], float64, float64, float32[:,::1], float32[:,::1])",
    nogil=True,
    cache=True,
    fastmath=_REORDER,
)
def resample(
    samples: NDArray[np.float32],
    first: float,
    step: float,
    bank: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Filter and resample: ``out[c, m]`` is the bank applied to channel ``c`` at ``first + m * step``."""
    phases = bank.shape[0] - 1
    n_taps = bank.shape[1]
    n_channels, n_out = out.shape
    before = n_taps // 2 - 1
    for m in range(n_out):
        t = first + m * step
        i = int(np.floor(t))
        p = int((t - i) * phases + 0.5)
        i -= before
        if n_channels == 1:
            acc = np.float32(0.0)
            taps, x = bank[p], samples[0, i : i + n_taps]
            for j in range(n_taps):
                acc += taps[j] * x[j]
            out[0, m] = acc
        else:
            re, im = np.float32(0.0), np.float32(0.0)
            taps, x, y = bank[p], samples[0, i : i + n_taps], samples[1, i : i + n_taps]
            for j in range(n_taps):
                re += taps[j] * x[j]
                im += taps[j] * y[j]
            out[0, m] = re
            out[1, m] = im


@njit("void(float32[:,::1], int64, float64[:,::1])", nogil=True, cache=True, fastmath=_REORDER)
def clock_phasors(samples: NDArray[np.float32], first: int, out: NDArray[np.float64]) -> None:
    """Correlate the squared slope with the symbol clock, 64 samples (16 symbols) at a time.

    The slope over one symbol, ``y(t + T/2) - y(t - T/2)``, has its greatest power at the transitions and is
    blind to a constant; its filter peaks at half the baud rate, where the clock's line comes from.
    ``out[:, h]`` is (real, imaginary, power) of ``sum |slope|^2 * (-j)^n``.
    """
    lanes = np.empty(16, dtype=np.float32)
    for h in range(out.shape[1]):
        lanes[:] = np.float32(0.0)
        start = first + 64 * h - 2
        for c in range(samples.shape[0]):
            for part in range(4):
                early = samples[c, start + 16 * part : start + 16 * part + 16]
                late = samples[c, start + 16 * part + 4 : start + 16 * part + 20]
                for k in range(16):
                    slope = late[k] - early[k]
                    lanes[k] += slope * slope
        r0 = float(lanes[0] + lanes[4] + lanes[8] + lanes[12])
        r1 = float(lanes[1] + lanes[5] + lanes[9] + lanes[13])
        r2 = float(lanes[2] + lanes[6] + lanes[10] + lanes[14])
        r3 = float(lanes[3] + lanes[7] + lanes[11] + lanes[15])
        out[0, h] = r0 - r2
        out[1, h] = r3 - r1
        out[2, h] = r0 + r1 + r2 + r3


@njit(
    "void(float64[:,::1], float64[:,:,::1], float64[::1], float64[::1], float64[::1], float64[:,::1])",
    nogil=True,
    cache=True,
    fastmath=_REORDER,
)
def clock_track(
    phasors: NDArray[np.float64],
    windows: NDArray[np.float64],
    errors: NDArray[np.float64],
    counts: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Estimate the clock's phase in a window centred on every hop of 16 symbols, and unwrap it.

    ``windows[e]`` is (real, imaginary) of the window turned against the clock error ``errors[e]`` (cycles a
    hop), and ``counts[e]`` what the power of a line there counts. ``state`` carries (phase, error) from call to
    call, in cycles. ``out[h]`` is (phase of the symbol centres in cycles, unwrapped; line strength 0 to 1).
    """
    width = windows.shape[2]
    for h in range(out.shape[0]):
        best, best_re, best_im, best_error = -1.0, 0.0, 0.0, 0.0
        # Slices begin at zero, so that the compiler knows no index is negative and uses vectors.
        line_re, line_im, line_power = (
            phasors[0, h : h + width],
            phasors[1, h : h + width],
            phasors[2, h : h + width],
        )
        for e in range(errors.shape[0]):
            re, im = 0.0, 0.0
            window_re, window_im = windows[e, 0], windows[e, 1]
            for w in range(width):
                re += window_re[w] * line_re[w] - window_im[w] * line_im[w]
                im += window_im[w] * line_re[w] + window_re[w] * line_im[w]
            size = (re * re + im * im) * counts[e]
            if size > best:
                best, best_re, best_im, best_error = size, re, im, errors[e]
        power = 1e-30
        for w in range(width):
            power += line_power[w]
        # Transitions at fraction -arg/2pi of a symbol; centres half a symbol later.
        phase = 0.5 - np.arctan2(best_im, best_re) / (2.0 * np.pi)
        expected = state[0] + 0.5 * (state[1] + best_error)
        phase += np.round(expected - phase)
        state[0] = phase
        state[1] = best_error
        out[h, 0] = phase
        out[h, 1] = np.hypot(best_re, best_im) / power * width


@njit(
    "int64(float32[:,::1], int64, float64[:,::1], int64, float64[::1], float32[:,::1], float32[:,::1],"
    " float64[::1])",
    nogil=True,
    cache=True,
    fastmath=_REORDER,
)
def take_symbols(
    samples: NDArray[np.float32],
    origin: int,
    track: NDArray[np.float64],
    first_hop: int,
    state: NDArray[np.float64],
    bank: NDArray[np.float32],
    out: NDArray[np.float32],
    positions: NDArray[np.float64],
) -> int:
    """Interpolate the samples at the symbol centres between the middles of the hops in ``track``.

    Sample ``i`` of the array is sample ``origin + i`` of the stream, hop ``h`` is its samples ``64 h`` to
    ``64 h + 63``. ``state[0]`` is the stream position of the last symbol taken. Returns how many were taken.
    """
    phases = bank.shape[0] - 1
    n_taps = bank.shape[1]
    before = n_taps // 2 - 1
    n_channels = samples.shape[0]
    count = 0
    for h in range(track.shape[0] - 1):
        left = 64.0 * (first_hop + h) + 31.5
        right = left + 64.0
        slope = 4.0 * (track[h + 1, 0] - track[h, 0]) / 64.0  # samples of clock drift a sample
        # The centre of symbol k is at 4 (k + phase(t)): solve for the k inside this hop.
        k = np.ceil((left - 4.0 * track[h, 0]) / 4.0)
        while True:
            t = left + (4.0 * (k + track[h, 0]) - left) / (1.0 - slope)
            if t >= right:
                break
            k += 1.0
            if t - state[0] < 2.0:  # the clock stepped back: this symbol has been taken
                continue
            i = int(np.floor(t))
            p = int((t - i) * phases + 0.5)
            i -= origin + before
            taps = bank[p]
            for c in range(n_channels):
                acc = np.float32(0.0)
                x = samples[c, i : i + n_taps]
                for j in range(n_taps):
                    acc += taps[j] * x[j]
                out[c, count] = acc
            positions[count] = t
            state[0] = t
            count += 1
    return count


@njit(nogil=True, cache=True, fastmath=_REORDER, inline="always")
def _two_means(values: NDArray[np.float32]) -> tuple[np.floating[Any], np.floating[Any], np.floating[Any]]:
    """Split values in two and give (middle, half the distance, mean squared error over that squared)."""
    total = np.float32(0.0)
    for v in values:
        total += v
    count = np.float32(values.shape[0])
    middle = total / count
    upper = lower = middle
    for _ in range(3):
        s_up, n_up = np.float32(0.0), np.float32(0.0)
        for v in values:
            is_up = np.float32(v > middle)
            s_up += v * is_up
            n_up += is_up
        if n_up > 0:
            upper = s_up / n_up
        if n_up < count:
            lower = (total - s_up) / (count - n_up)
        middle = np.float32(0.5) * (upper + lower)
    amplitude = max(np.float32(0.5) * (upper - lower), np.float32(1e-20))
    error = np.float32(0.0)
    gain = np.float32(1.0) / amplitude
    for v in values:
        miss = abs(v - middle) * gain - np.float32(1.0)
        error += miss * miss
    return middle, amplitude, error / count


@njit("void(float32[::1], int64, float32[::1], float32[:,::1])", nogil=True, cache=True, fastmath=_REORDER)
def level_symbols(
    values: NDArray[np.float32], half: int, soft: NDArray[np.float32], levels: NDArray[np.float32]
) -> None:
    """Find the two levels around every 16 symbols and scale them to -1 and +1.

    ``values`` has ``half`` symbols (a multiple of 16) of context on either side of those put in ``soft``. Each
    group of 16 is judged with what lies before it and with what lies behind it, the middle by rounds of
    two-means, so that runs of one bit do not pull it; a side that is noise (the silence beside a burst) has no
    say. ``levels[group]`` gets (middle, amplitude, mean squared error, what a symbol takes from its neighbours'
    signs: the sum of the correlations with the two before and the two behind).
    """
    n = soft.shape[0]
    # What lies behind one group lies before another: each window is judged once.
    apart = half // 16
    windows = np.empty((levels.shape[0] + apart, 3), dtype=np.float32)
    for w in range(windows.shape[0]):
        middle, amplitude, error = _two_means(values[16 * w : min(16 * w + 16 + half, n + 2 * half)])
        windows[w, 0] = middle
        windows[w, 1] = amplitude
        windows[w, 2] = error
    for g in range(levels.shape[0]):
        start = 16 * g
        stop = min(start + 16, n)
        left_middle, left_amplitude, left_error = windows[g]
        right_middle, right_amplitude, right_error = windows[g + apart]
        # Equal sides share; at twice the other's error a side counts for one sixteenth.
        left, right = (right_error + 1e-6) ** 4, (left_error + 1e-6) ** 4
        share = left / (left + right)
        middle = np.float32(share * left_middle + (1.0 - share) * right_middle)
        amplitude = np.float32(share * left_amplitude + (1.0 - share) * right_amplitude)
        gain = np.float32(1.0) / amplitude
        error, smear = np.float32(0.0), np.float32(0.0)
        for i in range(start, stop):
            j = i + half
            v = (values[j] - middle) * gain
            soft[i] = v
            miss = abs(v) - np.float32(1.0)
            error += miss * miss
            for k in (-2, -1, 1, 2):
                smear += v if values[j + k] > middle else -v
        levels[g, 0] = middle
        levels[g, 1] = amplitude
        levels[g, 2] = error / np.float32(stop - start)
        levels[g, 3] = smear / np.float32(stop - start)


@njit("void(float32[:,::1], float64[::1], float64, int64, float64[::1], float32[:,::1])", nogil=True, cache=True)
def mix(
    samples: NDArray[np.float32],
    frequencies: NDArray[np.float64],
    chirp: float,
    segment: int,
    state: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Shift the spectrum down: multiply by exp(-2 pi i phase), real or planar complex to planar complex.

    ``frequencies[s]`` (cycles a sample) holds at the start of segment ``s`` of ``segment`` samples and runs
    linearly to the next one's; with a single value it changes by ``chirp`` cycles a sample each sample.
    ``state[0]`` carries the phase in cycles.
    """
    n = samples.shape[1]
    phase = state[0]
    last = frequencies.shape[0] - 1
    start = 0
    s = 0
    while start < n:
        stop = min(start + segment, n)
        f0 = frequencies[min(s, last)]
        slope = chirp if last == 0 else (frequencies[min(s + 1, last)] - f0) / segment
        length = stop - start
        turn = -2.0 * np.pi * phase
        re, im = np.cos(turn), np.sin(turn)
        turn = -2.0 * np.pi * (f0 + 0.5 * slope)
        step_re, step_im = np.cos(turn), np.sin(turn)
        turn = -2.0 * np.pi * slope
        bend_re, bend_im = np.cos(turn), np.sin(turn)
        for i in range(start, stop):
            x = samples[0, i]
            if samples.shape[0] == 1:
                out[0, i] = x * re
                out[1, i] = x * im
            else:
                y = samples[1, i]
                out[0, i] = x * re - y * im
                out[1, i] = x * im + y * re
            re, im = re * step_re - im * step_im, re * step_im + im * step_re
            step_re, step_im = step_re * bend_re - step_im * bend_im, step_re * bend_im + step_im * bend_re
        phase += f0 * length + 0.5 * slope * length * length
        phase -= np.floor(phase)
        start = stop
        s += 1
    state[0] = phase


@njit("void(float32[:,::1], float32[::1], float32[:,::1])", nogil=True, cache=True, fastmath=_REORDER)
def convolve(samples: NDArray[np.float32], taps: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Filter at an unchanged rate: ``out[c, m]`` is the sum of ``taps[j] * samples[c, m + j]``."""
    n = out.shape[1]
    n_taps = taps.shape[0]
    for c in range(out.shape[0]):
        for start in range(0, n, 1024):
            length = min(1024, n - start)
            to = out[c, start : start + length]
            for m in range(length):
                to[m] = 0.0
            # Slices begin at zero, so that the compiler knows no index is negative and uses vectors.
            for j in range(0, n_taps - 3, 4):
                h0, h1, h2, h3 = taps[j], taps[j + 1], taps[j + 2], taps[j + 3]
                x0 = samples[c, start + j : start + j + length]
                x1 = samples[c, start + j + 1 : start + j + 1 + length]
                x2 = samples[c, start + j + 2 : start + j + 2 + length]
                x3 = samples[c, start + j + 3 : start + j + 3 + length]
                for m in range(length):
                    to[m] += (h0 * x0[m] + h1 * x1[m]) + (h2 * x2[m] + h3 * x3[m])
            for j in range(n_taps - n_taps % 4, n_taps):
                h0 = taps[j]
                x0 = samples[c, start + j : start + j + length]
                for m in range(length):
                    to[m] += h0 * x0[m]
