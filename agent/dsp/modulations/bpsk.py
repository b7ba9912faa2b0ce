"""BPSK and differential BPSK, with Manchester coding if so said, from IQ or from the audio of an SSB receiver.

Signal model: ``a(t) cos(2 pi f t + phase)``, ``a`` being ±1 for each symbol behind a root-raised-cosine (or any
other reasonable) filter; as audio on a real carrier, by convention near 1500 Hz for slow signals and at a
quarter of the sample rate (12 kHz) for fast ones, and searched for around that. Which of the two phases is a one
cannot be known: the deframer looks for both, unless the coding is differential.

Knows no framing. Every burst is given once a hypothesis (``SymbolBlock.stream``): matched filter and carrier loop
bandwidth.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from agent.dsp import LOWEST_SAMPLES_PER_SYMBOL
from agent.dsp.phase_shift import BitMaker, Manchester, Plain, Products, PskChain, usual_carriers_hz
from agent.dsp.presence import Presence
from agent.dsp.sampling import Chain, Intake, Look, Several, Signal, Streaming
from agent.records import AudioBlock, IqBlock, SymbolBlock

_MOST_STREAMS = 4  # of one chain: two hypotheses, two ways to pair half symbols


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say.

    ``carrier_hz`` is where the carrier is expected in audio (in IQ: beside the centre), ``search_hz`` how far
    to either side it is looked for. ``differential`` takes the product of successive symbols: a change of
    phase is a zero. ``manchester`` says that each bit is sent as two half-symbols of opposite phase, a one with the
    positive half first.
    """

    carrier_hz: float | None = None
    search_hz: float | None = None
    differential: bool = False
    manchester: bool = False


def channel_bandwidth_hz(baudrate_bd: float, options: Options) -> float:
    """Tell how wide a channel must be in IQ to hold the signal wherever it is looked for."""
    keyed_bd = baudrate_bd * (2.0 if options.manchester else 1.0)
    search_hz = keyed_bd if options.search_hz is None else options.search_hz
    return 2.0 * (0.7 * keyed_bd + search_hz + abs(options.carrier_hz or 0.0))


class Demodulator:
    """BPSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        """Raise ``ValueError`` naming the option that does not fit the sample rate."""
        carriers_hz: tuple[float, ...] = (options.carrier_hz or 0.0,)
        keyed_bd = baudrate_bd * (2.0 if options.manchester else 1.0)
        if keyed_bd * LOWEST_SAMPLES_PER_SYMBOL > sample_rate_hz:
            raise ValueError(
                f"manchester: {sample_rate_hz:g} Hz is less than twice the {keyed_bd:g} half symbols a second"
            )
        if options.carrier_hz is None:
            carriers_hz = usual_carriers_hz(keyed_bd, signal, sample_rate_hz)
        elif abs(options.carrier_hz) >= sample_rate_hz / 2:
            raise ValueError(f"carrier_hz: {options.carrier_hz:g} Hz is not within half the sample rate")

        def begin(start_utc_ns: int) -> Chain:
            chains = tuple(
                PskChain(
                    baudrate_bd,
                    sample_rate_hz,
                    order=2,
                    carrier_hz=carrier_hz,
                    search_hz=options.search_hz if options.search_hz is not None else keyed_bd,
                    is_real=signal == "audio",
                    bits=_bits(options),
                    halves=2 if options.manchester else 1,
                    first_stream=_MOST_STREAMS * number,
                    start_utc_ns=start_utc_ns,
                )
                for number, carrier_hz in enumerate(carriers_hz)
            )
            return chains[0] if len(chains) == 1 else Several(chains)

        width_hz = channel_bandwidth_hz(baudrate_bd, options)
        present = None
        if len(carriers_hz) == 1:
            present = Presence(keyed_bd, sample_rate_hz, width_hz, carriers_hz[0])
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


def _bits(options: Options) -> Callable[[], tuple[BitMaker, ...]]:
    def make() -> tuple[BitMaker, ...]:
        if options.manchester:
            return tuple(Manchester(parity, Products() if options.differential else None) for parity in (0, 1))
        return (Products() if options.differential else Plain(),)

    return make
