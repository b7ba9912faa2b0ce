"""The inner loops over time: windows of every parameter of a packet, and how unusual its newest sample is.

Arrays only; ``windows`` and ``anomaly`` make them and say what the numbers mean. One row is one parameter; a value
that is NaN is no sample. Nothing here knows a limit.

Columns::

    counters f8[n, 4]   last raw value, what is added to it, rises, falls
    bins     f8[n, m, 5] samples, mean time in the bin (s), mean, minimum, maximum; slot = bin number modulo m
    fits     f8[n, 10]  samples, mean, minimum, maximum, slope (1/s), its standard error, value at ``now``, its
                        variance, degrees of freedom, time from the middle to ``now``; NaN where too little is known
    state    f8[n, 21]  0 level, 1 trend (1/s), 2 last value, 3 scale, 4 peak, 5 quantum, 6 run, 7 longest run,
                        8 changes, 9 samples since the restart, 10 outliers in a row, 11 the last of them, 12 place
                        in the ring, 13 samples in the ring, 14 noise blocks, 15 strange noise blocks in a row,
                        16 sum and 17 count of the phase, 18 seasonal residuals known, 19 the smoothed one,
                        20 size of the last excursion
    ring     f4[n, 64]  magnitudes of the last residuals; the newest half is the noise block
    blocks   f4[n, 32]  logarithms of the noise of earlier blocks
    season   f4[n, k, p] mean of each phase in the k last cycles that had it (NaN: not seen)
    past     f4[n, 64]  seasonal residuals
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

NOTHING, SPIKE, STEP, NOISE, STUCK = 0, 1, 2, 3, 4

SMOOTHING, TREND_SMOOTHING = 0.4, 0.05
PEAK_MARGIN, PEAK_HALF_LIFE_S = 1.5, 43_200.0
SETTLED = 10.0
WARM, BLOCK, MIN_BLOCKS, MIN_CHANGES = 24, 32, 8, 20
STEP_AFTER, RUN_FACTOR, MIN_RUN = 4, 4.0, 16.0
MAD_TO_SIGMA = 1.4826
NOISE_SIGMAS, MIN_NOISE_RATIO = 7.0, 3.0
MIN_RESIDUALS, KEEP_ONE_OF = 24, 4


@numba.njit("float64(float32[::1], int64)", nogil=True, cache=True)
def _median(values: NDArray[np.float32], count: int) -> float:
    """Sort the first ``count`` values in place (few of them: insertion) and return their median."""
    for i in range(1, count):
        x = values[i]
        j = i - 1
        while j >= 0 and values[j] > x:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = x
    if count == 0:
        return math.nan
    half = count // 2
    return float(values[half]) if count % 2 else 0.5 * (float(values[half - 1]) + float(values[half]))


@numba.njit("void(float64[::1], float64[::1], float64[:, ::1])", nogil=True, cache=True)
def unroll(values: NDArray[np.float64], modulo: NDArray[np.float64], counters: NDArray[np.float64]) -> None:
    """Add up what counters lost by rolling over, in place; ``modulo`` is 0 for what cannot be a counter.

    A parameter counts as a counter while it has risen at least sixteen times and hardly ever fallen. A fall is a
    roll-over when less than half of the range is missing; any other is a reset, and the count goes on from there.
    """
    for i in range(values.shape[0]):
        x = values[i]
        if modulo[i] == 0.0 or math.isnan(x):
            continue
        last = counters[i, 0]
        if not math.isnan(last):
            if x > last:
                counters[i, 2] += 1.0
            elif x < last:
                is_counter = counters[i, 2] >= 16.0 and counters[i, 3] * 16.0 <= counters[i, 2]
                if is_counter and x - last + modulo[i] < 0.5 * modulo[i]:
                    counters[i, 1] += modulo[i]
                else:
                    counters[i, 3] += 1.0
        counters[i, 0] = x
        values[i] = x + counters[i, 1]


@numba.njit("void(float64[::1], int64, float64, int64[::1], float64[:, :, ::1])", nogil=True, cache=True)
def fold(
    values: NDArray[np.float64], number: int, inside_s: float, numbers: NDArray[np.int64], bins: NDArray[np.float64]
) -> None:
    """Put one sample of every parameter into the bin ``number``, ``inside_s`` after its beginning."""
    slot = number % numbers.shape[0]
    if numbers[slot] > number:
        return
    fresh = numbers[slot] < number
    numbers[slot] = number
    for i in range(values.shape[0]):
        if fresh:
            bins[i, slot, 0] = 0.0
        x = values[i]
        if math.isnan(x) or math.isinf(x):
            continue
        n = bins[i, slot, 0] + 1.0
        if n == 1.0:
            bins[i, slot, 1] = inside_s
            bins[i, slot, 2] = x
            bins[i, slot, 3] = x
            bins[i, slot, 4] = x
        else:
            bins[i, slot, 1] += (inside_s - bins[i, slot, 1]) / n
            bins[i, slot, 2] += (x - bins[i, slot, 2]) / n
            bins[i, slot, 3] = min(bins[i, slot, 3], x)
            bins[i, slot, 4] = max(bins[i, slot, 4], x)
        bins[i, slot, 0] = n


@numba.njit(
    "void(int64, float64, float64, int64[::1], float64[:, :, ::1], int64, float64[:, ::1])", nogil=True, cache=True
)
def fit(
    newest: int,
    bin_s: float,
    now_s: float,
    numbers: NDArray[np.int64],
    bins: NDArray[np.float64],
    min_bins: int,
    fits: NDArray[np.float64],
) -> None:
    """Fit a line through the means of each parameter's bins; ``now_s`` is counted from the newest bin's beginning.

    The bins are weighted by their samples. Their residuals are rarely independent: a positive correlation of
    neighbours, and a bend of the newer half against the older one, make the errors larger.
    """
    m = numbers.shape[0]
    for i in range(bins.shape[0]):
        total = 0.0
        mean_t = 0.0
        mean_x = 0.0
        lowest = math.inf
        highest = -math.inf
        used = 0
        for back in range(m):
            slot = (newest - back) % m
            if numbers[slot] != newest - back or bins[i, slot, 0] == 0.0:
                continue
            n = bins[i, slot, 0]
            total += n
            mean_t += n / total * (bins[i, slot, 1] - back * bin_s - mean_t)
            mean_x += n / total * (bins[i, slot, 2] - mean_x)
            lowest = min(lowest, bins[i, slot, 3])
            highest = max(highest, bins[i, slot, 4])
            used += 1
        for j in range(10):
            fits[i, j] = math.nan
        fits[i, 0] = total
        if used == 0:
            continue
        fits[i, 1] = mean_x
        fits[i, 2] = lowest
        fits[i, 3] = highest
        if used < min_bins:
            continue
        tt = 0.0
        tx = 0.0
        for back in range(m):
            slot = (newest - back) % m
            if numbers[slot] == newest - back and bins[i, slot, 0] > 0.0:
                t = bins[i, slot, 1] - back * bin_s - mean_t
                tt += bins[i, slot, 0] * t * t
                tx += bins[i, slot, 0] * t * (bins[i, slot, 2] - mean_x)
        if tt <= 0.0:
            continue
        slope = tx / tt
        squares = 0.0
        lagged = 0.0
        plain = 0.0
        before = math.nan
        bend = 0.0
        bent = 0.0
        for back in range(m):
            slot = (newest - back) % m
            if numbers[slot] != newest - back or bins[i, slot, 0] == 0.0:
                before = math.nan
                continue
            t = bins[i, slot, 1] - back * bin_s - mean_t
            residual = bins[i, slot, 2] - mean_x - slope * t
            squares += bins[i, slot, 0] * residual * residual
            plain += residual * residual
            if not math.isnan(before):
                lagged += residual * before
            before = residual
            # The residual against |t|: how much the two halves' slopes differ.
            bend += bins[i, slot, 0] * residual * (abs(t) - 0.5 * math.sqrt(tt / total) * math.sqrt(3.0))
            bent += bins[i, slot, 0] * (abs(t) - 0.5 * math.sqrt(tt / total) * math.sqrt(3.0)) ** 2
        correlation = min(max(lagged / plain, 0.0), 0.9) if plain > 0.0 else 0.0
        freedom = max(used * (1.0 - correlation) / (1.0 + correlation) - 2.0, 1.0)
        variance = squares / total * used / max(used - 2.0, 1.0)
        widened = variance * (1.0 + correlation) / (1.0 - correlation)
        turn = bend / bent if bent > 0.0 else 0.0
        of_slope = widened / (tt / total * used) + turn * turn
        lever = now_s - mean_t
        fits[i, 4] = slope
        fits[i, 5] = math.sqrt(of_slope)
        fits[i, 6] = mean_x + slope * lever
        fits[i, 7] = widened / used + of_slope * lever * lever
        fits[i, 8] = freedom
        fits[i, 9] = lever


@numba.njit(
    "void(float64[::1], float64, uint8, float64[::1], float64[:, ::1], float32[:, ::1], float32[:, ::1],"
    " float32[::1], float32[::1], uint8[::1])",
    nogil=True,
    cache=True,
)
def watch(
    values: NDArray[np.float64],
    dt_s: float,
    restart: int,
    thresholds: NDArray[np.float64],
    state: NDArray[np.float64],
    ring: NDArray[np.float32],
    blocks: NDArray[np.float32],
    scratch: NDArray[np.float32],
    scores: NDArray[np.float32],
    kinds: NDArray[np.uint8],
) -> None:
    """Say of each newest sample how unusual it is: ``scores`` (1 is the threshold) and ``kinds``.

    ``restart`` begins the local line anew (after a gap) and keeps what is known of the noise.
    """
    fading = 0.5 ** (dt_s / PEAK_HALF_LIFE_S)
    for i in range(values.shape[0]):
        scores[i] = 0.0
        kinds[i] = NOTHING
        x = values[i]
        if math.isnan(x) or math.isinf(x):
            continue
        state[i, 16] += x
        state[i, 17] += 1.0
        if restart or state[i, 9] == 0.0:
            state[i, 0] = x
            state[i, 1] = 0.0
            state[i, 2] = x
            state[i, 6] = 1.0
            state[i, 9] = 1.0
            state[i, 10] = 0.0
            continue
        state[i, 9] += 1.0
        step = x - state[i, 2]
        state[i, 2] = x
        if step == 0.0:
            state[i, 6] += 1.0
            if state[i, 8] >= MIN_CHANGES:
                limit = max(MIN_RUN, RUN_FACTOR * state[i, 7])
                scores[i] = state[i, 6] / limit
                if scores[i] >= 1.0:
                    kinds[i] = STUCK
        else:
            state[i, 7] = max(state[i, 7], min(state[i, 6], 4.0 * max(state[i, 7], 4.0)))
            state[i, 6] = 1.0
            state[i, 8] += 1.0
            magnitude = abs(step)
            if state[i, 5] == 0.0 or magnitude < state[i, 5]:
                state[i, 5] = magnitude
        predicted = state[i, 0] + state[i, 1] * dt_s
        residual = x - predicted
        size = abs(residual)
        scale = max(state[i, 3], 0.6 * state[i, 5], 1e-9 * abs(predicted))
        out = (
            state[i, 13] >= WARM
            and state[i, 9] > SETTLED
            and scale > 0.0
            and state[i, 5] > 0.0
            and size > thresholds[i] * scale
            and size > PEAK_MARGIN * state[i, 4]
        )
        if out:
            side = 1.0 if residual > 0.0 else -1.0
            state[i, 10] = state[i, 10] + 1.0 if state[i, 11] * side > 0.0 else 1.0
            state[i, 0] = predicted
            scores[i] = min(size / max(thresholds[i] * scale, PEAK_MARGIN * state[i, 4]), 1e6)
            kinds[i] = SPIKE
            state[i, 11] = side * size
            over = state[i, 10] >= STEP_AFTER
            if over:
                # A new line begins here: what goes on elsewhere may also go on otherwise.
                kinds[i] = STEP
                state[i, 0] = x
                state[i, 1] = 0.0
                state[i, 9] = 1.0
        else:
            over = state[i, 10] > 0.0
        if over:
            # What comes a second time, as large as the first, is the parameter's habit from then on.
            excursion = abs(state[i, 11])
            if 0.5 * excursion < state[i, 20] < 2.0 * excursion:
                state[i, 4] = max(state[i, 4], excursion)
            state[i, 20] = excursion
            state[i, 10] = 0.0
        if out:
            continue
        if scores[i] < 1.0 and state[i, 13] >= WARM and scale > 0.0:
            scores[i] = max(scores[i], np.float32(min(size / max(thresholds[i] * scale, 1e-300), 0.99)))
        bounded = (
            min(max(residual, -4.0 * scale), 4.0 * scale) if state[i, 13] >= WARM and scale > 0.0 else residual
        )
        k = state[i, 9]
        if k <= SETTLED:
            # After a restart the line is fitted to all samples since then, and the noise waits.
            state[i, 0] = predicted + max(SMOOTHING, (4.0 * k - 2.0) / (k * (k + 1.0))) * residual
            if dt_s > 0.0:
                state[i, 1] += max(TREND_SMOOTHING, 6.0 / (k * (k + 1.0))) * residual / dt_s
            continue
        state[i, 0] = predicted + SMOOTHING * (residual if size > 8.0 * scale else bounded)
        if dt_s > 0.0:
            state[i, 1] += TREND_SMOOTHING * bounded / dt_s
        state[i, 4] = max(fading * state[i, 4], size)
        place = int(state[i, 12])
        ring[i, place] = size
        state[i, 12] = (place + 1) % ring.shape[1]
        known = min(state[i, 13] + 1.0, float(ring.shape[1]))
        state[i, 13] = known
        if place % 8 != 7 and known > 8.0:
            continue
        count = int(known)
        for j in range(count):
            scratch[j] = ring[i, j]
        state[i, 3] = MAD_TO_SIGMA * _median(scratch, count)
        if place % BLOCK != BLOCK - 1 or known < BLOCK:
            continue
        for j in range(BLOCK):
            scratch[j] = ring[i, place - BLOCK + 1 + j]
        noise = math.log(max(_median(scratch, BLOCK), 0.3 * state[i, 5], 1e-12 * abs(x) + 1e-300))
        have = int(min(state[i, 14], float(blocks.shape[1])))
        strange = False
        if have >= MIN_BLOCKS and state[i, 5] > 0.0:
            for j in range(have):
                scratch[j] = blocks[i, j]
            usual = _median(scratch, have)
            for j in range(have):
                scratch[j] = abs(blocks[i, j] - np.float32(usual))
            spread = max(MAD_TO_SIGMA * _median(scratch, have), 0.0)
            allowed = max(math.log(MIN_NOISE_RATIO), NOISE_SIGMAS * spread)
            score = abs(noise - usual) / allowed
            strange = score >= 1.0
            if strange and noise > usual:
                state[i, 15] += 1.0
                if kinds[i] == NOTHING:
                    kinds[i] = NOISE
                    scores[i] = score
        if not strange or state[i, 15] >= 4.0:
            # What lasts becomes the new normal.
            if not strange:
                state[i, 15] = 0.0
            blocks[i, int(state[i, 14]) % blocks.shape[1]] = noise
            state[i, 14] += 1.0


@numba.njit(
    "void(int64, int64, uint8, float64, float64, float64[:, ::1], float32[:, :, ::1], float32[:, ::1],"
    " float32[::1], float32[::1])",
    nogil=True,
    cache=True,
)
def close_phase(
    cycle: int,
    phase: int,
    periodic: int,
    threshold: float,
    min_count: float,
    state: NDArray[np.float64],
    season: NDArray[np.float32],
    past: NDArray[np.float32],
    scratch: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """End a phase: compare its mean with the same phase of earlier cycles, and keep it; ``cycle`` counts those.

    Without a period (``periodic`` 0) it is compared with all that is kept. A residual is measured against the
    usual size of such residuals; it is smoothed over phases, for a drift goes on.
    """
    cycles, phases = season.shape[1], season.shape[2]
    for i in range(state.shape[0]):
        count = state[i, 17]
        mean = state[i, 16] / count if count > 0.0 else math.nan
        state[i, 16] = 0.0
        state[i, 17] = 0.0
        scores[i] = 0.0
        if count < min_count:
            continue  # only a part of the phase was heard: its mean says little of the whole
        known = 0
        if periodic:
            for k in range(cycles):
                if k != cycle % cycles and not math.isnan(season[i, k, phase]):
                    scratch[known] = season[i, k, phase]
                    known += 1
        else:
            for k in range(cycles):
                for p in range(phases):
                    if not math.isnan(season[i, k, p]) and not (k == cycle % cycles and p == phase):
                        scratch[known] = season[i, k, p]
                        known += 1
        enough = 2 if periodic else 16
        if known >= enough:
            residual = mean - _median(scratch, known)
            have = int(min(state[i, 18], float(past.shape[1])))
            strange = False
            if have >= MIN_RESIDUALS:
                for j in range(have):
                    scratch[j] = abs(past[i, j])
                usual = max(MAD_TO_SIGMA * _median(scratch, have), 0.5 * state[i, 5], 1.2e-7 * abs(mean))
                usual = max(usual, 0.2 * float(scratch[have - 3]))
                if usual > 0.0:
                    relative = min(max(residual / usual, -100.0), 100.0)
                    state[i, 19] += 0.5 * (relative - state[i, 19])
                    scores[i] = abs(state[i, 19]) / threshold
                    strange = scores[i] >= 1.0
            # Few of many are kept, so that a slow drift does not become the usual.
            if not strange and (have < MIN_RESIDUALS or (phase + cycle) % KEEP_ONE_OF == 0):
                past[i, int(state[i, 18]) % past.shape[1]] = residual
                state[i, 18] += 1.0
        season[i, cycle % cycles, phase] = mean
