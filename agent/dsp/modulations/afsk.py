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

from agent.dsp import cpm_kernels, filters, kernels
from agent.dsp.frequency_shift import Receiver
from agent.dsp.presence import Presence
from agent.dsp.sampling import Chain, Intake, Look, Planar, Resampler, Signal, Streaming
from agent.records import AudioBlock, IqBlock, SymbolBlock, Trace


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say: the middle between the tones, and their distance from it.

    ``fm_deviation_hz`` is the greatest frequency deviation of the FM carrier, which sets the filter for IQ.
    """

    af_carrier_hz: float = 1700.0
    deviation_hz: float = 500.0
    fm_deviation_hz: float = 4000.0


class _Chain:
    """From audio, or from IQ by way of an FM discriminator, to the receiver of shifted frequencies."""

    def __init__(
        self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float, start_utc_ns: int
    ) -> None:
        audio_rate_hz = sample_rate_hz
        self._filter: Resampler | None = None
        if signal == "iq":
            highest_hz = options.af_carrier_hz + abs(options.deviation_hz)
            edge_hz = min(options.fm_deviation_hz + highest_hz, 0.48 * sample_rate_hz)
            audio_rate_hz = min(sample_rate_hz, 3.0 * edge_hz)
            bank = filters.lowpass_bank(edge_hz / sample_rate_hz, 0.3 * edge_hz / sample_rate_hz)
            self._filter = Resampler(bank, 2, sample_rate_hz, audio_rate_hz)
        self._audio_rate_hz = audio_rate_hz
        self._heard: Planar = np.empty((1, 0), dtype=np.float32)
        self._angle = np.zeros(2)
        self._carrier = np.array([options.af_carrier_hz / audio_rate_hz])
        self._oscillator = np.zeros(1)
        self._receiver = Receiver(
            baudrate_bd,
            options.deviation_hz,
            audio_rate_hz,
            search_hz=0.0,
            edge_hz=0.95 * options.af_carrier_hz,  # beyond lies the mirror image of the real signal
            bandwidth_time=None,
            start_utc_ns=start_utc_ns,
        )

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole; with ``last`` give all that is still inside."""
        if self._filter is not None:
            narrow = self._filter.feed(samples, last=last)
            samples = np.empty((1, narrow.shape[1]), dtype=np.float32)
            cpm_kernels.discriminate(narrow, self._angle, samples[0])
        centred = np.empty((2, samples.shape[1]), dtype=np.float32)
        kernels.mix(samples, self._carrier, 0.0, max(1, centred.shape[1]), self._oscillator, centred)
        self._heard = samples
        return self._receiver.feed(centred, last=last)

    def traces(self) -> list[Trace]:
        """Show the audio, and the stages of the receiver of shifted frequencies."""
        unit = "full scale" if self._filter is None else "cycle"
        return [Trace("audio", self._heard[0], unit, self._audio_rate_hz), *self._receiver.traces()]


def channel_bandwidth_hz(baudrate_bd: float, options: Options) -> float:
    """Tell how wide a channel must be in IQ to hold the signal wherever it is looked for."""
    highest_hz = options.af_carrier_hz + abs(options.deviation_hz)
    return 2.0 * (options.fm_deviation_hz + highest_hz + 0.5 * baudrate_bd)


class Demodulator:
    """AFSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        """Raise ``ValueError`` naming the option that does not fit the others or the sample rate."""
        highest_hz = options.af_carrier_hz + abs(options.deviation_hz)
        if not 0.0 < abs(options.deviation_hz) < options.af_carrier_hz:
            raise ValueError("deviation_hz: not between 0 and af_carrier_hz")
        if highest_hz > sample_rate_hz / 2:
            raise ValueError(f"af_carrier_hz: {highest_hz:g} Hz is not within half the sample rate")

        def begin(start_utc_ns: int) -> Chain:
            return _Chain(baudrate_bd, options, signal, sample_rate_hz, start_utc_ns)

        if signal == "iq":
            present = Presence(baudrate_bd, sample_rate_hz, channel_bandwidth_hz(baudrate_bd, options))
        else:
            present = Presence(baudrate_bd, sample_rate_hz, 4.0 * highest_hz)
        self._streaming = Streaming(Intake(signal, sample_rate_hz, baudrate_bd), begin, present)

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        return self._streaming.feed(block)

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream."""
        return self._streaming.flush()

    def watch(self, look: Look) -> None:
        """Show from now on what every stage gives."""
        self._streaming.watch = look
