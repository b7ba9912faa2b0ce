"""Cubesat Space Protocol, versions 1 and 2: the header taken off and what the flags promise checked.

::

    v1   priority  source  destination  destination port  source port  flags 8
         2         5       5            6                 6            reserved 3 · fragment, HMAC, XTEA, RDP, CRC
    v2   priority  destination  source  destination port  source port  flags 6
         2         14           14      6                 6            reserved 1 · fragment, HMAC, XTEA, RDP, CRC

    header 4 or 6 │ data │ [RDP header 5] │ [HMAC 4] │ [CRC-32C 4]

The CRC is Castagnoli's, high octet first, over the data (GOMX-3) or over header and data (Suomi-100, and libcsp
2.1): either is taken. Some satellites set no CRC flag and send one, or the reverse: ``crc`` overrules it.

The HMAC is the first 4 octets of HMAC-SHA1 over the data (an RDP header among them) and covers no header: who may
speak is proved, not to whom. Its key is the first 16 octets of the SHA-1 of what the operator has. Four octets are
guessed once in 2³² tries. Without a key the tag is taken off and shown, and ``authenticated`` is false.

Encrypted data (XTEA) come out as they are, marked: CRC and HMAC lie inside them. Where a codeword of RS(255,223)
stands behind AX.25 (the SNUGLITE family), put ``reed_solomon_block`` between ``ax25`` and this.

Source: libcsp's documentation (protocol stack, "CSP header") and its published field widths; order, coverage and
length of HMAC and CRC as libcsp 1.6 and 2.x send them (HMAC: RFC 2104); the CRC's two coverages also from real
frames. Priorities: 0 critical, 1 high, 2 normal, 3 low.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from typing import Final, Literal

import msgspec
from construct import BitsInteger, BitStruct, Construct, Flag

from firmware_protocols.coding.crc import CRC32C, append_crc, crc_matches
from firmware_protocols.interface import Around, Example, HeaderValue, Key, Packet

FLAGS: Final = (
    "fragmented" / Flag,
    "hmac" / Flag,
    "xtea" / Flag,
    "rdp" / Flag,
    "crc" / Flag,
)
HEADER_1: Construct = BitStruct(
    "priority" / BitsInteger(2),
    "source" / BitsInteger(5),
    "destination" / BitsInteger(5),
    "destination_port" / BitsInteger(6),
    "source_port" / BitsInteger(6),
    "reserved" / BitsInteger(3),
    *FLAGS,
)
HEADER_2: Construct = BitStruct(
    "priority" / BitsInteger(2),
    "destination" / BitsInteger(14),
    "source" / BitsInteger(14),
    "destination_port" / BitsInteger(6),
    "source_port" / BitsInteger(6),
    "reserved" / BitsInteger(1),
    *FLAGS,
)
CRC_OCTETS: Final = 4
HMAC_OCTETS: Final = 4
HMAC_KEY_OCTETS: Final = 16
RDP_OCTETS: Final = 5

SHOWN: Final = (
    "priority",
    "source",
    "destination",
    "destination_port",
    "source_port",
    "fragmented",
    "hmac",
    "xtea",
    "rdp",
)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version; ``octet_order`` is ``little`` where the header's octets are sent in reverse.

    ``crc`` says whether there is one: as the ``flag`` says, ``always``, ``never``, or ``present`` when it fits.
    ``hmac_key_file`` names the file that holds the key, its text or ``hex:`` and digits; whoever opens files puts
    what it holds into ``hmac_key``. With ``require_hmac`` packets that carry no HMAC are refused too.
    """

    version: Literal[1, 2] = 1
    octet_order: Literal["big", "little"] = "big"
    crc: Literal["flag", "always", "never", "present"] = "flag"
    hmac_key_file: str = ""
    hmac_key: Key | None = None
    require_hmac: bool = False


class PacketExtractor:
    """A CSP packet in, its data out.

    Header fields: those of the layout (``crc`` says that one was there and good, ``authenticated`` that the HMAC
    was), ``hmac_tag`` and ``rdp_header`` where there are such. A wrong HMAC is refused as ``bad_authentication``, a
    required one that is missing as ``not_authenticated``, and any where the key is named but was not read as
    ``no_key``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options
        self._layout = HEADER_1 if options.version == 1 else HEADER_2
        self._octets = 4 if options.version == 1 else 6
        self._key = None if options.hmac_key is None else derived_key(options.hmac_key)

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one packet apart."""
        if len(frame) < self._octets:
            self.rejected["too_short"] += 1
            return []
        head, data = frame[: self._octets], frame[self._octets :]
        if self._options.octet_order == "little":
            head = head[::-1]
        fields = self._layout.parse(head)
        header: dict[str, HeaderValue] = {name: fields[name] for name in SHOWN}
        header |= {"crc": False, "authenticated": False}
        if fields.xtea:
            if self._options.require_hmac:
                self.rejected["not_authenticated"] += 1
                return []
            return [Packet(data, header)]
        checked = self._check(head, data, flagged=fields.crc)
        if checked is None:
            return []
        header["crc"] = checked
        if checked:
            data = data[:-CRC_OCTETS]
        if len(data) < HMAC_OCTETS * fields.hmac + RDP_OCTETS * fields.rdp:
            self.rejected["too_short"] += 1
            return []
        if fields.hmac:
            header["hmac_tag"], data = data[-HMAC_OCTETS:], data[:-HMAC_OCTETS]
        refused = self._refuse(data, header.get("hmac_tag"))
        if refused is not None:
            self.rejected[refused] += 1
            return []
        header["authenticated"] = fields.hmac and self._key is not None
        if fields.rdp:
            header["rdp_header"], data = data[-RDP_OCTETS:], data[:-RDP_OCTETS]
        return [Packet(data, header)]

    def _refuse(self, data: bytes, tag: HeaderValue) -> str | None:
        """Say why a packet is not believed, ``None`` when nothing speaks against it."""
        if self._options.hmac_key_file and self._key is None:
            return "no_key"
        if not isinstance(tag, bytes):
            return "not_authenticated" if self._options.require_hmac else None
        if self._key is None:
            return "no_key" if self._options.require_hmac else None
        return None if hmac.compare_digest(tag, hmac_tag(self._key, data)) else "bad_authentication"

    def _check(self, head: bytes, data: bytes, *, flagged: bool) -> bool | None:
        """Say whether there is a good CRC; ``None`` when there should be one and it is missing or bad."""
        wanted = self._options.crc
        if wanted == "never" or (wanted == "flag" and not flagged):
            return False
        if len(data) >= CRC_OCTETS and (
            crc_matches(data, CRC32C, "big") or crc_matches(head + data, CRC32C, "big")
        ):
            return True
        if wanted == "present":
            return False
        self.rejected["bad_crc" if len(data) >= CRC_OCTETS else "too_short"] += 1
        return None

    def flush(self) -> list[Packet]:
        """Return nothing: no packet waits for another."""
        return []


def derived_key(key: Key) -> bytes:
    """Return the key that packets are authenticated with: 16 octets of the SHA-1 of the operator's."""
    return hashlib.sha1(key.octets, usedforsecurity=False).digest()[:HMAC_KEY_OCTETS]


def hmac_tag(key: bytes, data: bytes) -> bytes:
    """Return the tag of a packet's data."""
    return hmac.digest(key, data, "sha1")[:HMAC_OCTETS]


def build(
    data: bytes,
    options: Options | None = None,
    *,
    source: int,
    destination: int,
    ports: tuple[int, int] = (0, 0),
    priority: int = 2,
    crc: bool = False,
) -> bytes:
    """Build a packet; ``ports`` are the destination's and the source's. With a key it is authenticated."""
    options = options or Options()
    if options.hmac_key is not None:
        data += hmac_tag(derived_key(options.hmac_key), data)
    fields = {
        "priority": priority,
        "source": source,
        "destination": destination,
        "destination_port": ports[0],
        "source_port": ports[1],
        "reserved": 0,
        "fragmented": False,
        "hmac": options.hmac_key is not None,
        "xtea": False,
        "rdp": False,
        "crc": crc,
    }
    header: bytes = (HEADER_1 if options.version == 1 else HEADER_2).build(fields)
    behind = append_crc(data, CRC32C, "big") if options.version == 1 else append_crc(header + data, CRC32C, "big")
    if crc:
        data = behind if options.version == 1 else behind[len(header) :]
    return (header if options.octet_order == "big" else header[::-1]) + data


def enclose(data: bytes, options: Options, around: Around) -> bytes:
    """Put data behind the header of one like it, authenticated and checked as that one says."""
    layout, head_octets = (HEADER_1, 4) if options.version == 1 else (HEADER_2, 6)
    if len(around.like) < head_octets:
        return build(data, options, source=1, destination=10, crc=options.crc != "never")
    sent, inside = around.like[:head_octets], around.like[head_octets:]
    head = sent if options.octet_order == "big" else sent[::-1]
    fields = layout.parse(head)
    if fields.hmac:
        data += hmac_tag(derived_key(options.hmac_key or Key(b"")), data)
    if options.crc == "never" or (options.crc != "always" and not fields.crc):
        return sent + data
    with_header = crc_matches(head + inside, CRC32C, "big")
    if not with_header and (options.version == 1 or crc_matches(inside, CRC32C, "big")):
        return sent + append_crc(data, CRC32C, "big")
    return sent + append_crc(head + data, CRC32C, "big")[head_octets:]


_1KUNS_PF = bytes.fromhex("8292a50010b29999986567666607030005f368b210000065650a300000590303020266be0923")
_GOMX_3 = bytes.fromhex("8aa8c101000102030405060708090a0b0c0d0e0f10111213cc79ebe6")

EXAMPLES: Final = (
    Example(
        name="GOMX-3, CRC good",
        source="recording gomx_3.wav of daniestevez/satellite-recordings 952ddfe5",
        stream=_GOMX_3,
        packets=(_GOMX_3[4:-4],),
    ),
    Example(
        name="1KUNS-PF, whose CRC covers the header and has no flag",
        source="recording 1kuns_pf.wav of daniestevez/satellite-recordings 952ddfe5",
        stream=_1KUNS_PF,
        packets=(_1KUNS_PF[4:-4],),
        options={"crc": "always"},
    ),
    Example(
        name="version 2 from node 300 to node 5000, CRC over header and data",
        source="made from libcsp's documented layout",
        stream=build(b"status", Options(version=2), source=300, destination=5000, ports=(10, 33), crc=True),
        packets=(b"status",),
        options={"version": 2},
    ),
    Example(
        name="the header's octets reversed",
        source="the GOMX-3 header with its octets in the other order",
        stream=_GOMX_3[3::-1] + _GOMX_3[4:],
        packets=(_GOMX_3[4:-4],),
        options={"octet_order": "little"},
    ),
)
