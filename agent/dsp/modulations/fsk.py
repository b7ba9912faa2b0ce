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
from agent.dsp.presence import Presence
from agent.dsp.sampling import Chain, Intake, Look, Several, Signal, Streaming
from agent.records import AudioBlock, IqBlock, SymbolBlock


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say, for IQ.

    Without ``deviation_hz`` the signal is taken for MSK (a quarter of the baud rate), and slow ones (below
    ``_SLOW_BD``) are also listened for with any deviation up to 5 kHz. ``search_hz`` is how far to either side of
    the centre the carrier is looked for, half the baud rate when absent.
    """

    deviation_hz: float | None = None
    search_hz: float | None = None


_SLOW_BD = 6000.0
_WIDEST_DEVIATION_HZ = 5000.0
_WIDE_SEARCH_HZ = 2000.0


def channel_bandwidth_hz(baudrate_bd: float, options: Options) -> float:
    """Tell how wide a channel must be in IQ to hold the signal wherever it is looked for."""
    search_hz = 0.5 * baudrate_bd if options.search_hz is None else abs(options.search_hz)
    deviation_hz = abs(options.deviation_hz or 0.25 * baudrate_bd)
    if options.deviation_hz is None and baudrate_bd <= _SLOW_BD:
        deviation_hz, search_hz = _WIDEST_DEVIATION_HZ, max(search_hz, _WIDE_SEARCH_HZ)
    return 2.0 * (deviation_hz + 0.5 * baudrate_bd + search_hz)


class Demodulator:
    """FSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        """Raise ``ValueError`` naming the option that does not fit the sample rate."""
        deviation_hz = options.deviation_hz or 0.25 * baudrate_bd
        if signal == "iq" and abs(deviation_hz) >= sample_rate_hz / 2:
            raise ValueError(f"deviation_hz: {deviation_hz:g} Hz is not within half the sample rate")
        search_hz = 0.5 * baudrate_bd if options.search_hz is None else abs(options.search_hz)

        def begin(start_utc_ns: int) -> Chain:
            if signal == "audio":
                return AudioReceiver(baudrate_bd, sample_rate_hz, start_utc_ns)
            usual = Receiver(
                baudrate_bd, deviation_hz, sample_rate_hz, search_hz=search_hz, start_utc_ns=start_utc_ns
            )
            if options.deviation_hz is not None or baudrate_bd > _SLOW_BD:
                return usual
            widest_hz = min(_WIDEST_DEVIATION_HZ, 0.4 * sample_rate_hz - 0.5 * baudrate_bd)
            wide = Receiver(
                baudrate_bd,
                max(widest_hz, deviation_hz),
                sample_rate_hz,
                search_hz=max(search_hz, _WIDE_SEARCH_HZ),
                detects=False,
                first_stream=2,
                start_utc_ns=start_utc_ns,
            )
            return Several((usual, wide))

        present = None  # behind a discriminator noise and signal look too much alike
        if signal == "iq":
            present = Presence(baudrate_bd, sample_rate_hz, channel_bandwidth_hz(baudrate_bd, options))
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
