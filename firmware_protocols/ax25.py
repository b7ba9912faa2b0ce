"""AX.25 v2.2: frames out of soft symbols, and the header of a frame taken apart.

::

    destination   source        up to 8 digipeaters   control   PID       information   FCS (not in the data)
    7 octets      7 octets      7 octets each         1         1 (I,UI)  n             2

    address:  six characters, each shifted left by one, padded with spaces, then  C R R S S S S E
              C command/response or has-been-repeated · R reserved · S SSID · E the last address has a one

Source: "AX.25 Link Access Protocol for Amateur Packet Radio", version 2.2 (TAPR, 1998), §3; framing is
``hdlc``. Some satellites send their callsigns unshifted and end the addresses nowhere; such a header is read
as two addresses and marked ``address_format = "unshifted"``. Knows only modulo 8 control fields.

What stops noise: besides the FCS, at least 15 octets, and a header of which eleven of twelve callsign octets
look like one (a frame with another header must stand behind three flags or directly behind a good frame). With
``repair`` (the default) a frame with a bad FCS is tried again with up to four of its least certain symbols
inverted; ``corrected`` then says how many. False accepts are measured in ``tests/firmware_protocols``.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from construct import (  # type: ignore[import-untyped,unused-ignore]
    BitsInteger,
    BitStruct,
    Bytes,
    ConstructError,
    Flag,
    Struct,
)
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols import hdlc
from firmware_protocols.interface import Around, Example, HeaderValue, LinkFrame, Packet

INPUT: Final = "symbols"

MIN_OCTETS: Final = 15
MAX_DIGIPEATERS: Final = 8
TO_ALL: Final = "QST"
FROM_NOBODY: Final = "SIMSAT"
"""Callsigns where none are known: a call to all amateurs, from nobody's."""

ADDRESS = Struct(
    "characters" / Bytes(6),
    "tail"
    / BitStruct("command_or_repeated" / Flag, "reserved" / BitsInteger(2), "ssid" / BitsInteger(4), "last" / Flag),
)

ADDRESSES = Struct("destination" / ADDRESS, "source" / ADDRESS)

SUPERVISORY: Final = ("RR", "RNR", "REJ", "SREJ")
UNNUMBERED: Final = {
    0x6F: "SABME",
    0x2F: "SABM",
    0x43: "DISC",
    0x0F: "DM",
    0x63: "UA",
    0x87: "FRMR",
    0x03: "UI",
    0xAF: "XID",
    0xE3: "TEST",
}
"""Control octet without its P/F bit → kind (§4.3.3)."""
POLL_FINAL: Final = 0x10


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the bits lie on the channel; ``repair`` allows frames whose FCS was met by inverting weak symbols.

    ``nrzi_again``: coded as NRZI a second time, behind the scrambler (QB50 UA01).
    """

    nrzi: bool = True
    nrzi_again: bool = False
    scrambler: Literal["none", "g3ruh"] = "none"
    repair: bool = True
    max_octets: Annotated[int, Meta(ge=64, le=8192)] = 2048


def _hdlc_options(options: Options) -> hdlc.Options:
    return hdlc.Options(
        nrzi=options.nrzi,
        nrzi_again=options.nrzi_again,
        scrambler=options.scrambler,
        min_octets=MIN_OCTETS,
        max_octets=options.max_octets,
    )


class Deframer:
    """Soft symbols in, AX.25 frames without their FCS out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._searches = hdlc.search_polarities(_hdlc_options(options), ax25_header=True, repair=options.repair)

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return hdlc.feed_searches(self._searches, elements, self.rejected)

    def flush(self) -> list[LinkFrame]:
        """Forget what is inside: a frame without its closing flag is none."""
        for search in self._searches:
            search.forget()
        return []


class PacketExtractor:
    """A frame in, its information field out with the header beside it.

    Header fields: ``destination``, ``source`` (``CALL-SSID``, no suffix for SSID 0), ``digipeaters`` (a star
    behind one that has repeated the frame), ``control``, ``pid`` (None where there is none), ``type`` (``UI``,
    ``I``, ``RR`` …), ``poll_final``, ``command`` (None when the C bits say neither), ``address_format``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one frame apart."""
        try:
            header, rest = _parse_addresses(frame)
        except ConstructError:
            self.rejected["bad_addresses"] += 1
            return []
        if not rest:
            self.rejected["no_control"] += 1
            return []
        control, rest = rest[0], rest[1:]
        kind = frame_type(control)
        pid: int | None = None
        if kind in ("I", "UI"):
            if not rest:
                self.rejected["no_pid"] += 1
                return []
            pid, rest = rest[0], rest[1:]
        header |= {
            "control": control,
            "pid": pid,
            "type": kind,
            "poll_final": bool(control & POLL_FINAL),
        }
        return [Packet(rest, header)]

    def flush(self) -> list[Packet]:
        """Return nothing: no frame waits for another."""
        return []


def frame_type(control: int) -> str:
    """Name the kind of frame a modulo 8 control octet announces (``U`` for one the standard does not name)."""
    if not control & 1:
        return "I"
    if not control & 2:
        return SUPERVISORY[control >> 2 & 3]
    return UNNUMBERED.get(control & ~POLL_FINAL, "U")


def _looks_unshifted(frame: bytes) -> bool:
    characters = frame[:6] + frame[7:13]
    return (
        len(frame) > 14
        and any(octet & 1 for octet in characters)
        and all(chr(octet).isalnum() or octet == 0x20 for octet in characters)
    )


def _looks_like_address(octets: bytes) -> bool:
    """Say whether seven octets are a shifted callsign: letters and digits, no low bit, padded at the end only."""
    call = bytes(octet >> 1 for octet in octets[:6]).rstrip(b" ")
    return len(octets) == 7 and not any(octet & 1 for octet in octets[:6]) and call.isalnum() and call.isascii()


def _text(characters: bytes) -> str:
    return characters.decode("ascii", "backslashreplace").rstrip(" \0")


def _callsign(address: Any) -> str:
    call = _text(bytes(octet >> 1 for octet in address.characters))
    return f"{call}-{address.tail.ssid}" if address.tail.ssid else call


def _parse_addresses(frame: bytes) -> tuple[dict[str, HeaderValue], bytes]:
    if _looks_unshifted(frame):
        header: dict[str, HeaderValue] = {
            "destination": _text(frame[:6]),
            "source": _text(frame[7:13]),
            "digipeaters": (),
            "command": None,
            "address_format": "unshifted",
        }
        return header, frame[14:]
    parsed = ADDRESSES.parse(frame)
    repeaters: list[Any] = []
    rest, ended = frame[14:], parsed.source.tail.last
    while not ended and len(repeaters) < MAX_DIGIPEATERS and _looks_like_address(rest[:7]):
        repeaters.append(ADDRESS.parse(rest[:7]))
        rest, ended = rest[7:], repeaters[-1].tail.last
    to_c, from_c = parsed.destination.tail.command_or_repeated, parsed.source.tail.command_or_repeated
    return {
        "destination": _callsign(parsed.destination),
        "source": _callsign(parsed.source),
        "digipeaters": tuple(_callsign(each) + "*" * each.tail.command_or_repeated for each in repeaters),
        "command": to_c if to_c != from_c else None,
        "address_format": "shifted" if ended else "unterminated",
    }, rest


def _address(callsign: str, *, flag: bool, last: bool) -> bytes:
    call, _, ssid = callsign.partition("-")
    if not (0 < len(call) <= 6 and call.isascii() and call.isalnum()) or not 0 <= int(ssid or 0) <= 15:
        raise ValueError(f"{callsign!r} is no callsign with an SSID from 0 to 15")
    built: bytes = ADDRESS.build(
        {
            "characters": bytes(ord(c) << 1 for c in call.upper().ljust(6)),
            "tail": {"command_or_repeated": flag, "reserved": 3, "ssid": int(ssid or 0), "last": last},
        }
    )
    return built


def build_ui_frame(
    destination: str, source: str, information: bytes, *, digipeaters: tuple[str, ...] = (), pid: int = 0xF0
) -> bytes:
    """Build a UI command frame without its FCS; raises ``ValueError`` for what is no callsign."""
    if len(digipeaters) > MAX_DIGIPEATERS:
        raise ValueError("at most eight digipeaters")
    addresses = [_address(destination, flag=True, last=False), _address(source, flag=False, last=not digipeaters)]
    for place, each in enumerate(digipeaters, 1):
        addresses.append(_address(each, flag=False, last=place == len(digipeaters)))
    return b"".join(addresses) + bytes((0x03, pid)) + information


def enclose(data: bytes, options: Options, around: Around) -> bytes:
    """Put information behind the addresses of one like it, or of a call to all without one."""
    for packet in PacketExtractor(options).feed(around.like) if around.like else ():
        at = around.like.find(packet.data, MIN_OCTETS) if packet.data else len(around.like)
        if at >= 0:
            return around.like[:at] + data
    return build_ui_frame(TO_ALL, FROM_NOBODY, data)


def encode(frame: bytes, options: Options, *, flags_before: int = 25, flags_after: int = 4) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame``, which comes without its FCS."""
    return hdlc.encode(frame, _hdlc_options(options), flags_before=flags_before, flags_after=flags_after)


_AO27 = bytes.fromhex("9c68aaa6924000829e646e40a80103f04ed02518")
_QBEE = bytes.fromhex("4f4e30315345004f4e3031534500030002a2c00094ba910100688f050000")

EXAMPLES = (
    Example(
        name="AO-27 telemetry over AFSK 1200",
        source="recording ao27.wav of daniestevez/satellite-recordings 952ddfe5, channel bits rebuilt by encode",
        stream=encode(_AO27, Options()).tobytes(),
        frames=(_AO27,),
    ),
    Example(
        name="the same, scrambled",
        source="the same frame, channel bits rebuilt by encode",
        stream=encode(_AO27, Options(scrambler="g3ruh")).tobytes(),
        frames=(_AO27,),
        options={"scrambler": "g3ruh"},
    ),
    Example(
        name="the same as UA01 sends its own: NRZI before the scrambler and behind it",
        source="the same frame, channel bits rebuilt by encode",
        stream=encode(_AO27, Options(scrambler="g3ruh", nrzi_again=True)).tobytes(),
        frames=(_AO27,),
        options={"scrambler": "g3ruh", "nrzi_again": True},
    ),
    Example(
        name="AO-27 telemetry, header taken off",
        source="recording ao27.wav of daniestevez/satellite-recordings 952ddfe5",
        stream=_AO27,
        packets=(bytes.fromhex("4ed02518"),),
    ),
    Example(
        name="QBEE, callsigns not shifted",
        source="recording se01.wav of daniestevez/satellite-recordings 952ddfe5, first 30 octets of the frame",
        stream=_QBEE,
        packets=(_QBEE[16:],),
    ),
)
