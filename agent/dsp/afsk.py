"""AFSK: FSK on an audio carrier, itself sent by FM; from the audio, or from IQ by way of an FM discriminator.

Signal model: audio ``cos(2 pi (af_carrier + deviation * p(t)) t)``, ``p`` being ±1 for each bit, phase continuous,
pulses rectangular; a one is the higher tone unless ``deviation_hz`` is negative. Bell 202 as packet radio has it
is 1200 Bd, carrier 1700 Hz, deviation 500 Hz (NRZI does not care for the sense).

The tones are a frequency-shifted signal on a real carrier: mixed to zero, the same receiver hears them as hears
FSK from IQ. Knows no framing.
"""

from __future__ import annotations

import msgspec
import numpy as np

from agent.dsp import cpm_kernels, kernels
from agent.dsp.frequency_shift import Receiver, lowpass_bank
from agent.dsp.sampling import Hop, Intake, Planar, Resampler, Signal
from agent.records import AudioBlock, IqBlock, SymbolBlock


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say: the middle between the tones, and their distance from it.

    ``fm_deviation_hz`` is the greatest frequency deviation of the FM carrier, which sets the filter for IQ.
    """

    af_carrier_hz: float = 1700.0
    deviation_hz: float = 500.0
    fm_deviation_hz: float = 4000.0


class _FmReceiver:
    """From IQ to audio: channel filter and discriminator."""

    def __init__(self, edge_hz: float, sample_rate_hz: float) -> None:
        self.rate_hz = min(sample_rate_hz, 3.0 * edge_hz)
        edge_hz = min(edge_hz, 0.48 * sample_rate_hz)
        self._filter = Resampler(
            lowpass_bank(edge_hz, 0.3 * edge_hz, sample_rate_hz), 2, sample_rate_hz, self.rate_hz
        )
        self._angle = np.zeros(2)

    def feed(self, samples: Planar, *, last: bool) -> Planar:
        part = self._filter.feed(samples)[0]
        if last:
            part = np.concatenate((part, self._filter.flush()[0]), axis=1)
        audio = np.empty((1, part.shape[1]), dtype=np.float32)
        cpm_kernels.discriminate(part, self._angle, audio[0])
        return audio


class Demodulator:
    """AFSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        highest_hz = options.af_carrier_hz + abs(options.deviation_hz)
        if not 0.0 < abs(options.deviation_hz) < options.af_carrier_hz:
            raise ValueError("deviation_hz: not between 0 and af_carrier_hz")
        if highest_hz > sample_rate_hz / 2:
            raise ValueError(f"af_carrier_hz: {highest_hz:g} Hz is not within half the sample rate")
        self._baud = baudrate_bd
        self._options = options
        self._signal = signal
        self._rate = sample_rate_hz
        self._edge_hz = options.fm_deviation_hz + highest_hz
        hop_symbols = min(1024, max(128, 128 * round(0.1 * baudrate_bd / 128)))
        self._intake = Intake(signal, sample_rate_hz, round(hop_symbols * sample_rate_hz / baudrate_bd))
        self._begin(0)

    def _begin(self, start_utc_ns: int) -> None:
        self._fm = _FmReceiver(self._edge_hz, self._rate) if self._signal == "iq" else None
        self._audio_rate = self._fm.rate_hz if self._fm else self._rate
        self._oscillator = np.zeros(1)
        self._receiver = Receiver(
            self._baud,
            self._options.deviation_hz,
            self._audio_rate,
            search_hz=0.0,
            edge_hz=0.95 * self._options.af_carrier_hz,  # beyond lies the mirror image of the real signal
            bandwidth_time=None,
            start_utc_ns=start_utc_ns,
        )

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        return [symbols for hop in self._intake.feed(block) for symbols in self._hop(hop)]

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream."""
        out = [symbols for hop in self._intake.flush() for symbols in self._hop(hop)]
        out += self._drain()
        self._begin(0)
        return out

    def _hop(self, hop: Hop) -> list[SymbolBlock]:
        out: list[SymbolBlock] = []
        if hop.restart:
            out = self._drain()
            self._begin(hop.start_utc_ns)
        return out + self._through(hop.samples, last=False)

    def _drain(self) -> list[SymbolBlock]:
        return self._through(np.zeros((2 if self._signal == "iq" else 1, 0), dtype=np.float32), last=True)

    def _through(self, samples: Planar, *, last: bool) -> list[SymbolBlock]:
        if self._fm is not None:
            samples = self._fm.feed(samples, last=last)
        centred = np.empty((2, samples.shape[1]), dtype=np.float32)
        where = np.array([self._options.af_carrier_hz / self._audio_rate])
        kernels.mix(samples, where, 0.0, max(1, centred.shape[1]), self._oscillator, centred)
        return self._receiver.feed(centred, last=last)
