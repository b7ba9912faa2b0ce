"""QPSK, from IQ or from the audio of an SSB receiver.

Signal model: ``(a(t) + j b(t)) exp(j (2 pi f t + phase))``, ``a`` and ``b`` being ±1 for each symbol behind a
root-raised-cosine filter; two bits a symbol, ``a`` first (Gray coded, as CCSDS 401.0-B §2.4.10). The symbols of
the carrier are four, so the phase is known but for a multiple of a quarter turn, and the two axes may be swapped:
each hypothesis is given in both senses (``a, b`` and ``-b, a``), and swapped when ``swapped`` is not said; the
rest is a matter of polarity, which the deframer resolves.

Knows no framing.
"""

from __future__ import annotations

import msgspec
import numpy as np

from agent.dsp.phase_shift import BitMaker, PskChain, Symbols, usual_carriers_hz
from agent.dsp.presence import Presence
from agent.dsp.sampling import Chain, Intake, Look, Planar, Signal, Streaming
from agent.records import AudioBlock, IqBlock, SymbolBlock


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say.

    ``carrier_hz`` is where the carrier is expected (in IQ: beside the centre), ``search_hz`` how far to either side
    it is looked for, at most four tenths of the symbol rate. ``swapped`` says whether I and Q are swapped; both
    are tried when it is absent. The baud rate is that of symbols; two bits come of each.
    """

    carrier_hz: float | None = None
    search_hz: float | None = None
    swapped: bool | None = None


class _Pairs:
    """Two bits a symbol, the constellation turned by no or one quarter, its axes swapped or not."""

    def __init__(self, quarter: int, *, swapped: bool) -> None:
        self._quarter = quarter
        self._swapped = swapped

    def bits(self, axes: Planar) -> tuple[Symbols, int]:
        """Give the axes' values in turn."""
        first, second = (axes[1], axes[0]) if self._swapped else (axes[0], axes[1])
        if self._quarter:
            first, second = -second, first
        return np.ascontiguousarray(np.stack((first, second), axis=1)).ravel(), 0


def channel_bandwidth_hz(baudrate_bd: float, options: Options) -> float:
    """Tell how wide a channel must be in IQ to hold the signal wherever it is looked for."""
    search_hz = 0.4 * baudrate_bd if options.search_hz is None else min(options.search_hz, 0.4 * baudrate_bd)
    return 2.0 * (0.7 * baudrate_bd + search_hz + abs(options.carrier_hz or 0.0))


class Demodulator:
    """QPSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        """Raise ``ValueError`` naming the option that does not fit the sample rate."""
        carrier_hz = options.carrier_hz
        if carrier_hz is None:
            carrier_hz = usual_carriers_hz(baudrate_bd, signal, sample_rate_hz)[-1]
        elif abs(carrier_hz) >= sample_rate_hz / 2:
            raise ValueError(f"carrier_hz: {carrier_hz:g} Hz is not within half the sample rate")
        senses = (False, True) if options.swapped is None else (options.swapped,)
        search_hz = 0.4 * baudrate_bd if options.search_hz is None else min(options.search_hz, 0.4 * baudrate_bd)

        def bits() -> tuple[BitMaker, ...]:
            return tuple(_Pairs(quarter, swapped=swapped) for swapped in senses for quarter in (0, 1))

        def begin(start_utc_ns: int) -> Chain:
            return PskChain(
                baudrate_bd,
                sample_rate_hz,
                order=4,
                carrier_hz=carrier_hz,
                search_hz=search_hz,
                is_real=signal == "audio",
                bits=bits,
                start_utc_ns=start_utc_ns,
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
