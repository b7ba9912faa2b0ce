"""The Doppler test, slow and from its definition: projections, their covariance, an inverse by NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.health.transmitter.doppler_test import DRIFT_PPB_S, LEAST_NOISE_PPB, MODEL_PPB

Floats = NDArray[np.float64]


def judge_window(
    times: Floats, residual: Floats, slope: Floats, predicted: Floats, frequency_hz: float, time_error_s: float
) -> list[float]:
    """Return the statistic, the noise, the offset, the statistic of a fixed carrier, and the scatter."""
    n = len(times)
    # Orthonormal polynomials over the samples, the constant first: the columns of a QR decomposition.
    basis = np.linalg.qr(np.vander(times - times.mean(), 4, increasing=True))[0][:, 1:]
    differences = []
    for i in range(1, n - 1):
        weight = np.array([times[i + 1] - times[i], times[i] - times[i - 1]]) / (times[i + 1] - times[i - 1])
        miss = residual[i] - weight @ residual[[i - 1, i + 1]]
        differences.append(miss**2 / (1.0 + weight @ weight))
    noise = max(float(np.mean(differences)), (LEAST_NOISE_PPB * 1e-9 * frequency_hz) ** 2)
    late, drift = basis.T @ slope * time_error_s, basis.T @ times * DRIFT_PPB_S * 1e-9 * frequency_hz
    model = (MODEL_PPB * 1e-9 * frequency_hz) ** 2 * n / 3.0
    covariance = (noise + model) * np.eye(3) + np.outer(late, late) + np.outer(drift, drift)
    inverse = np.linalg.inv(covariance)
    own, fixed = basis.T @ residual, -basis.T @ predicted
    return [
        float(own @ inverse @ own),
        noise**0.5,
        float(residual.mean()),
        float(fixed @ inverse @ fixed),
        float(residual.std(ddof=1)),
    ]
