"""Offset QPSK, from IQ or from the audio of an SSB receiver.

Signal model: ``(a(t) + j b(t - T/2)) exp(j (2 pi f t + phase))``, ``a`` and ``b`` being ±1 for each symbol of
length ``T`` behind a root-raised-cosine filter (CCSDS 401.0-B §2.4.10; half-sine pulses make it MSK, which ``fsk``
hears better); two bits a symbol, in the order in which the rails send them. Which rail is the first, and what an
exchange of I and Q does, differ by the sign of every second bit: each is given both ways, the rest is a matter of
polarity, which the deframer resolves.

Knows no framing.
"""

from __future__ import annotations

import msgspec

from agent.dsp.offset_phase_shift import OffsetPskChain
from agent.dsp.phase_shift import usual_carriers_hz
from agent.dsp.presence import Presence
from agent.dsp.sampling import Chain, Intake, Look, Several, Signal, Streaming
from agent.records import AudioBlock, IqBlock, SymbolBlock

_LINE_SYMBOLS = (512, 2048)
_WIDEST_SEARCH = 0.5  # of the symbol rate: beyond, one line of the square is taken for the other


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say.

    ``carrier_hz`` is where the carrier is expected (in IQ: beside the centre), ``search_hz`` how far to either side
    it is looked for, at most half the symbol rate. The baud rate is that of symbols; two bits come of each.
    """

    carrier_hz: float | None = None
    search_hz: float | None = None


def channel_bandwidth_hz(baudrate_bd: float, options: Options) -> float:
    """Tell how wide a channel must be in IQ to hold the signal wherever it is looked for."""
    return 2.0 * (0.7 * baudrate_bd + _search_hz(baudrate_bd, options) + abs(options.carrier_hz or 0.0))


def _search_hz(baudrate_bd: float, options: Options) -> float:
    widest_hz = _WIDEST_SEARCH * baudrate_bd
    return widest_hz if options.search_hz is None else min(abs(options.search_hz), widest_hz)


class Demodulator:
    """Offset QPSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        """Raise ``ValueError`` naming the option that does not fit the sample rate."""
        carrier_hz = options.carrier_hz
        if carrier_hz is None:
            carrier_hz = usual_carriers_hz(baudrate_bd, signal, sample_rate_hz)[-1]
        elif abs(carrier_hz) >= sample_rate_hz / 2:
            raise ValueError(f"carrier_hz: {carrier_hz:g} Hz is not within half the sample rate")

        def begin(start_utc_ns: int) -> Chain:
            return Several(
                tuple(
                    OffsetPskChain(
                        baudrate_bd,
                        sample_rate_hz,
                        carrier_hz=carrier_hz,
                        search_hz=_search_hz(baudrate_bd, options),
                        is_real=signal == "audio",
                        line_symbols=line_symbols,
                        first_stream=2 * number,
                        start_utc_ns=start_utc_ns,
                    )
                    for number, line_symbols in enumerate(_LINE_SYMBOLS)
                )
            )

        present = Presence(baudrate_bd, sample_rate_hz, channel_bandwidth_hz(baudrate_bd, options), carrier_hz)
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
