"""Binary FSK, GFSK, MSK and GMSK, from IQ or from the audio of an FM discriminator.

Signal model: the carrier's frequency is ``f0 + deviation * p(t)``, where ``p`` is ±1 for each bit, rectangular or
smoothed by a Gaussian filter; a one is the higher frequency. As audio, ``p`` itself, scaled, on an unknown and
drifting constant, its sense perhaps inverted (the deframer looks for both).

Knows no framing. Every burst is given several times, once a hypothesis (``SymbolBlock.stream``), because what
the transmitter's and the receiver's filters have made of the pulse is not known.
"""

from __future__ import annotations

import msgspec

from agent.dsp.frequency_shift import AudioReceiver, Receiver
from agent.dsp.sampling import Chain, Intake, Signal, Streaming
from agent.records import AudioBlock, IqBlock, SymbolBlock


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say. ``deviation_hz`` is a quarter of the baud rate (MSK) when absent."""

    deviation_hz: float | None = None


class Demodulator:
    """FSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        self._baud = baudrate_bd
        self._signal = signal
        self._rate = sample_rate_hz
        self._deviation_hz = options.deviation_hz or 0.25 * baudrate_bd
        self._streaming = Streaming(Intake(signal, sample_rate_hz, baudrate_bd), self._begin)

    def _begin(self, start_utc_ns: int) -> Chain:
        if self._signal == "audio":
            return AudioReceiver(self._baud, self._rate, start_utc_ns)
        return Receiver(
            self._baud, self._deviation_hz, self._rate, search_hz=0.5 * self._baud, start_utc_ns=start_utc_ns
        )

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        return self._streaming.feed(block)

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream."""
        return self._streaming.flush()
