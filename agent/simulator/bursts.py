"""One frame of one transmitter as the burst that reaches the antenna: framed, modulated, worn on its way.

Pure: the time, the frame and the chance are arguments.
"""

from __future__ import annotations

import math

import numpy as np

from agent.simulator.air import Burst
from agent.simulator.carrier import Carrier
from agent.simulator.modulators import Waveform, modulate, transmit_options
from agent.simulator.satellite_model import channel_bits
from agent.simulator.scenario import Transmission, Transmitter


def make_burst(
    transmission: Transmission, frame: bytes, begin_s: float, motion: Carrier, chance: np.random.Generator
) -> Burst:
    """Make the burst that carries ``frame`` from ``begin_s`` on, its carrier shifted by the satellite's motion."""
    table, downlink = transmission.table, transmission.downlink
    bits = channel_bits(downlink.framing.protocol, downlink.framing.options, frame)
    options = transmit_options(downlink.modulation, downlink.modulation_options, table.modulation_options)
    waveform = modulate(downlink.modulation, bits, downlink.baudrate_bd, options)
    turn = 2 * math.pi * begin_s / table.doppler_period_s
    return Burst(
        worn(waveform, table, begin_s, chance),
        begin_s,
        downlink.frequency_hz + motion.shift_hz + table.frequency_offset_hz + table.doppler_hz * math.cos(turn),
        table.ebn0_db,
        drift_hz_s=motion.drift_hz_s - table.doppler_hz * math.sin(turn) * 2 * math.pi / table.doppler_period_s,
        clock_ppm=table.clock_ppm,
        phase_rad=chance.uniform(0, 2 * math.pi),
    )


def worn(waveform: Waveform, table: Transmitter, begin_s: float, chance: np.random.Generator) -> Waveform:
    """Return the waveform with the oscillator's phase noise and the fading of a tumbling antenna.

    Phase noise is a random walk, the spectrum a Lorentzian of full width ``linewidth_hz``: the variance grows by
    ``2 pi linewidth_hz`` a second. Source: L. Tomba, IEEE Trans. Commun. 46 (1998), eq. 2.
    """
    if not table.linewidth_hz and not table.fading_db:
        return waveform
    envelope = waveform.envelope
    if table.linewidth_hz:
        step_rad = math.sqrt(2 * math.pi * table.linewidth_hz / waveform.rate_hz)
        walk_rad = np.cumsum(step_rad * chance.standard_normal(len(envelope)))
        envelope = (envelope * np.exp(1j * walk_rad)).astype(np.complex64)
    if table.fading_db:
        times_s = begin_s + np.arange(len(envelope)) / waveform.rate_hz
        down_db = table.fading_db * 0.5 * (1 - np.cos(2 * np.pi * times_s / table.fading_period_s))
        envelope = (envelope * 10 ** (-down_db / 20)).astype(np.complex64)
    return Waveform(envelope, waveform.rate_hz, waveform.baudrate_bd)
