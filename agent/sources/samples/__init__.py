"""Sample formats: octets as radios, sound cards and files write them, to complex64 or float32 of full scale 1.0.

Knows numbers and their order, not where they come from. ``Converter`` takes octets cut anywhere, keeps the part
of a sample that is not yet whole, and counts what is no number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from agent.errors import ConfigError

SampleFormat: TypeAlias = Literal[
    "u8", "s8", "s16le", "s16be", "s24le", "s32le", "s32be", "f32le", "f32be", "f64le", "f64be"
]
"""One number: unsigned with 127.5 or 128 in the middle, signed, or floating."""

IqFormat: TypeAlias = Literal["cu8", "cs8", "cs16", "cs32", "cf32", "cf64"]
"""One complex sample, I then Q, little endian, under the names that SDR programs use."""

IQ_FORMATS: Final[dict[str, SampleFormat]] = {
    "cu8": "u8",
    "cs8": "s8",
    "cs16": "s16le",
    "cs32": "s32le",
    "cf32": "f32le",
    "cf64": "f64le",
}

IQ_FORMAT_NAMES: Final[tuple[str, ...]] = get_args(IqFormat)
NUMBER_FORMATS: Final[dict[str, SampleFormat]] = {name: name for name in get_args(SampleFormat)}

_OCTETS: Final[dict[str, int]] = {"u8": 1, "s8": 1, "s16": 2, "s24": 3, "s32": 4, "f32": 4, "f64": 8}

# An RTL-SDR's zero lies between 127 and 128; a WAV file's 8-bit zero is 128 (Microsoft, RIFF WAVE).
_RTL_TABLE: Final = ((np.arange(256) - 127.5) / 127.5).astype(np.float32)
_WAV_TABLE: Final = ((np.arange(256) - 128.0) / 128.0).astype(np.float32)


def octets_per_number(number: SampleFormat) -> int:
    """Return the octets of one number."""
    return _OCTETS[number.removesuffix("le").removesuffix("be")]


def to_float(octets: bytes | memoryview, number: SampleFormat, *, wav: bool = False) -> NDArray[np.float32]:
    """Turn whole numbers into float32 of full scale 1.0; ``wav`` sets the middle of ``u8`` as WAV files do."""
    if number == "u8":
        return (_WAV_TABLE if wav else _RTL_TABLE)[np.frombuffer(octets, np.uint8)]
    if number == "s24le":
        parts = np.frombuffer(octets, np.uint8).reshape(-1, 3).astype(np.int32)
        whole = (parts[:, 0] << 8) | (parts[:, 1] << 16) | (parts[:, 2] << 24)
        return (whole * np.float32(2.0**-31)).astype(np.float32)
    order = ">" if number.endswith("be") else "<"
    letter = {"s8": "i1", "s16": "i2", "s32": "i4", "f32": "f4", "f64": "f8"}[number[:3].rstrip("lb")]
    numbers: NDArray[Any] = np.frombuffer(octets, np.dtype(order + letter))
    if letter.startswith("f"):
        return numbers.astype(np.float32)
    return numbers.astype(np.float32) * np.float32(2.0 ** (1 - 8 * int(letter[1])))


@dataclass(slots=True)
class Converter:
    """Octets in, samples out: ``channels`` interleaved, of which ``take`` says what to make.

    ``take`` is ``iq`` (the first two channels are I and Q), ``first`` (the first channel) or ``mean``.
    ``not_numbers`` counts NaN and infinities, which become zero.
    """

    number: SampleFormat
    channels: int
    take: Literal["iq", "first", "mean"]
    wav: bool = False
    not_numbers: int = 0
    _rest: bytes = b""

    @property
    def octets_per_sample(self) -> int:
        """Return the octets of one sample of all channels."""
        return octets_per_number(self.number) * self.channels

    @property
    def octets_left(self) -> int:
        """Return how many octets of an unfinished sample are held."""
        return len(self._rest)

    def feed(self, octets: bytes) -> NDArray[np.complex64] | NDArray[np.float32]:
        """Take octets whole and return the samples now complete: complex64[n] for ``iq``, else float32[n]."""
        if self._rest:
            octets = self._rest + octets
        whole = len(octets) - len(octets) % self.octets_per_sample
        self._rest = octets[whole:]
        numbers = to_float(memoryview(octets)[:whole], self.number, wav=self.wav)
        if self.number.startswith("f"):
            finite = np.isfinite(numbers)
            if not finite.all():
                self.not_numbers += int(numbers.size - np.count_nonzero(finite))
                numbers = np.where(finite, numbers, np.float32(0.0))
        if self.take == "iq":
            pairs = numbers if self.channels == 2 else numbers.reshape(-1, self.channels)[:, :2]
            return np.ascontiguousarray(pairs).reshape(-1).view(np.complex64)
        if self.channels == 1:
            return numbers
        table = numbers.reshape(-1, self.channels)
        return np.ascontiguousarray(table[:, 0]) if self.take == "first" else table.mean(axis=1, dtype=np.float32)


StreamFormat: TypeAlias = IqFormat | Literal["s16le", "s16be", "f32le", "u8"]
"""What programs send over a socket: IQ, or audio of one channel."""


def stream_converter(name: StreamFormat) -> Converter:
    """Make a converter for what comes over a socket."""
    if name in IQ_FORMATS:
        return Converter(IQ_FORMATS[name], channels=2, take="iq")
    return Converter(NUMBER_FORMATS[name], channels=1, take="first")


def check_frequency(name: StreamFormat, frequency_hz: float | None, where: str) -> None:
    """Refuse IQ that does not say where it was tuned to; raises ``ConfigError``."""
    if name in IQ_FORMATS and frequency_hz is None:
        raise ConfigError(
            f"{name} needs the frequency it was tuned to", where=f"{where}.frequency_hz", mend="in Hz"
        )


def iq_converter(name: IqFormat) -> Converter:
    """Make a converter for a complex format."""
    return Converter(IQ_FORMATS[name], channels=2, take="iq")
