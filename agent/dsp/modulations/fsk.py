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

    ``deviation_hz`` is a hint: without it the signal is taken for MSK (a quarter of the baud rate), and either way
    it is also listened for with any other deviation up to the baud rate, or 5 kHz if that is more. ``search_hz`` is
    how far to either side of the centre the carrier is looked for, half the baud rate when absent.
    """

    deviation_hz: float | None = None
    search_hz: float | None = None


_NARROW_BAUDS, _WIDEST_BAUDS = 0.4, 1.0
_WIDEST_DEVIATION_HZ = 5000.0
_WIDE_SEARCH_HZ = 2000.0


def _widest_hz(baudrate_bd: float, options: Options) -> float:
    """Tell the greatest deviation that is listened for."""
    return max(
        _WIDEST_BAUDS * baudrate_bd, min(_WIDEST_DEVIATION_HZ, 4.0 * baudrate_bd), abs(options.deviation_hz or 0.0)
    )


def _search_hz(baudrate_bd: float, options: Options) -> float:
    return 0.5 * baudrate_bd if options.search_hz is None else abs(options.search_hz)


def channel_bandwidth_hz(baudrate_bd: float, options: Options) -> float:
    """Tell how wide a channel must be in IQ to hold the signal wherever it is looked for."""
    return 2.0 * (_widest_hz(baudrate_bd, options) + 0.5 * baudrate_bd + _search_hz(baudrate_bd, options))


class Demodulator:
    """FSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        """Raise ``ValueError`` naming the option that does not fit the sample rate."""
        deviation_hz = abs(options.deviation_hz or 0.25 * baudrate_bd)
        if signal == "iq" and deviation_hz >= sample_rate_hz / 2:
            raise ValueError(f"deviation_hz: {deviation_hz:g} Hz is not within half the sample rate")
        search_hz = _search_hz(baudrate_bd, options)
        widest_hz = min(_widest_hz(baudrate_bd, options), 0.45 * sample_rate_hz - 0.5 * baudrate_bd)

        def begin(start_utc_ns: int) -> Chain:
            if signal == "audio":
                return AudioReceiver(baudrate_bd, sample_rate_hz, start_utc_ns)
            usual = Receiver(
                baudrate_bd,
                deviation_hz,
                sample_rate_hz,
                search_hz=search_hz,
                widest_hz=max(_NARROW_BAUDS * baudrate_bd, deviation_hz),
                start_utc_ns=start_utc_ns,
            )
            wide = Receiver(
                baudrate_bd,
                max(widest_hz, deviation_hz),
                sample_rate_hz,
                search_hz=search_hz,
                widest_hz=max(widest_hz, deviation_hz),
                first_stream=2,
                start_utc_ns=start_utc_ns,
            )
            return Several((usual, wide))

        present = None  # behind a discriminator noise and signal look too much alike
        if signal == "iq":
            present = Presence(baudrate_bd, sample_rate_hz, channel_bandwidth_hz(baudrate_bd, options))
        intake = Intake(signal, sample_rate_hz, baudrate_bd)
        self._streaming = Streaming(intake, begin, present, centres=signal == "iq")

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        return self._streaming.feed(block)

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream."""
        return self._streaming.flush()

    def watch(self, look: Look) -> None:
        """Show from now on what every stage gives."""
        self._streaming.watch = look
