"""Small signals that the tests make for themselves: a satellite, its frames, its bursts on air and line."""

from __future__ import annotations

import wave
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.definitions import Satellite
from agent.frame_reader import Transmitter
from agent.simulator.modulators import modulate, modulate_audio
from agent.telemetry.decoder import Decoder
from firmware_protocols import ax25

AUDIO_RATE_HZ = 48_000.0

SATELLITE = msgspec.convert(
    {
        "name": "TESTSAT",
        "norad": 99001,
        "downlink": [
            {
                "name": "9k6",
                "frequency_hz": 437_500_000.0,
                "modulation": "fsk",
                "baudrate_bd": 9600.0,
                "framing": {"protocol": "ax25", "options": {"scrambler": "g3ruh"}},
                "extract": [{"protocol": "ax25"}],
            }
        ],
        "packet": [
            {
                "name": "beacon",
                "parameter": [
                    {"name": "sync", "type": "u16"},
                    {"name": "count", "type": "u16"},
                    {
                        "name": "battery_voltage",
                        "type": "u8",
                        "unit": "V",
                        "calibration": {"kind": "polynomial", "coefficients": [3.0, 0.05]},
                        "limits": {"warning": {"min": 7.0, "max": 8.4}, "auto_acknowledge": True},
                    },
                    {"name": "payload", "type": "bytes", "octets": 20},
                ],
            }
        ],
    },
    Satellite,
)

TRANSMITTER = Transmitter("testsat", SATELLITE, SATELLITE.downlinks[0])


def frame(count: int, battery_voltage: float = 7.5) -> bytes:
    """Build one beacon frame of the test satellite, without its FCS."""
    values = {"sync": 0x5453, "count": count, "battery_voltage": battery_voltage, "payload": bytes(range(20))}
    return ax25.build_ui_frame("GROUND", "TSTSAT", Decoder(SATELLITE, slug="testsat").encode("beacon", values))


def bits(data: bytes) -> NDArray[np.uint8]:
    """Turn a frame into channel bits."""
    return ax25.encode(data, ax25.Options(scrambler="g3ruh"))


def audio(frames: list[bytes], *, gap_s: float = 0.1, noise: float = 0.02) -> NDArray[np.float32]:
    """Make an FM receiver's audio of some bursts."""
    random = np.random.default_rng(1)
    parts = [np.zeros(int(gap_s * AUDIO_RATE_HZ), np.float32)]
    for data in frames:
        parts += [modulate_audio("fsk", bits(data), 9600.0, {}, sample_rate_hz=AUDIO_RATE_HZ), parts[0]]
    signal = np.concatenate(parts)
    return (signal + noise * random.standard_normal(len(signal))).astype(np.float32)


def iq(
    frames: list[bytes], sample_rate_hz: float, offset_hz: float, *, gap_s: float = 0.1, noise: float = 0.05
) -> NDArray[np.complex64]:
    """Make IQ of some bursts, ``offset_hz`` beside the centre."""
    random = np.random.default_rng(2)
    parts = [np.zeros(int(gap_s * sample_rate_hz), np.complex64)]
    for data in frames:
        parts += [modulate("fsk", bits(data), 9600.0, {}).sampled(sample_rate_hz, offset_hz), parts[0]]
    signal = np.concatenate(parts)
    hiss = noise * (random.standard_normal(len(signal)) + 1j * random.standard_normal(len(signal)))
    return (0.5 * signal + hiss).astype(np.complex64)


def write_wav(path: Path, samples: NDArray[np.float32], rate_hz: int = 48_000) -> None:
    """Write mono 16-bit audio."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes((np.clip(samples, -1, 1) * 32000).astype("<i2").tobytes())
