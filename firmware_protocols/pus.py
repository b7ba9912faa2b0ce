"""PUS-C telemetry: the secondary header of a space packet, and the services every mission has.

::

    space packet header 6 │ PUS version 4 · time reference status 4 │ service 8 │ subtype 8 │ message counter 16
    │ destination 16 │ time │ [spare] │ source data │ [packet error control 16]

    service 1  request verification   1.1 accepted … 1.8 failed at completion: request id 4, [step], [failure code]
    service 3  housekeeping           3.25 report: structure id, then parameters
    service 5  events                 5.1 information … 5.4 high severity: event id, then parameters
    service 17 test                   17.2 the answer to "are you alive"

``time`` says how the time is coded. Source data come out without headers and error control; for service 1 the
request's identification is read into the header, for 3 and 5 the structure's and the event's. PUS-A secondary
headers (spare 1, version 3, spare 4, service, subtype) have ``version = "a"``.

Source: ECSS-E-ST-70-41C §7.4.3 (secondary header), §8.1 (service 1), §8.3, §8.5, §8.17; ECSS-E-70-41A §5.4.2.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final, Literal

import msgspec
from construct import BitsInteger, BitStruct, Byte, Flag, Int16ub, Struct
from msgspec import Meta

from firmware_protocols import space_packet
from firmware_protocols.ccsds.time_codes import TimeCode
from firmware_protocols.coding.crc import CRC16_CCITT_FALSE, append_crc, crc_matches
from firmware_protocols.interface import Example, HeaderValue, Packet

PRIMARY_OCTETS: Final = 6
PUS_C: Final = 2
PUS_A: Final = 1

SECONDARY_C = Struct(
    "first" / BitStruct("version" / BitsInteger(4), "time_status" / BitsInteger(4)),
    "service" / Byte,
    "subtype" / Byte,
    "message_counter" / Int16ub,
    "destination" / Int16ub,
)
SECONDARY_A = Struct(
    "first" / BitStruct("spare" / Flag, "version" / BitsInteger(3), "spare_4" / BitsInteger(4)),
    "service" / Byte,
    "subtype" / Byte,
)
REQUEST = BitStruct(
    "version" / BitsInteger(3),
    "telecommand" / Flag,
    "secondary_header" / Flag,
    "apid" / BitsInteger(11),
    "sequence_flags" / BitsInteger(2),
    "sequence_count" / BitsInteger(14),
)
REQUEST_OCTETS: Final = 4

VERIFICATION: Final = {
    1: "accepted",
    2: "not accepted",
    3: "execution started",
    4: "execution not started",
    5: "step done",
    6: "step failed",
    7: "completed",
    8: "not completed",
    10: "not routed",
}
STEPS: Final = (5, 6)
FAILURES: Final = (2, 4, 6, 8, 10)
SEVERITY: Final = {1: "information", 2: "low", 3: "medium", 4: "high"}
HOUSEKEEPING: Final = {25: "housekeeping report", 26: "diagnostic report"}
ARE_YOU_ALIVE: Final = {2: "alive", 4: "connection test"}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mission chose where the standard leaves a choice.

    ``structure_octets``, ``event_octets``, ``step_octets`` and ``failure_octets`` are the sizes of those
    identifiers; ``spare_octets`` fill the secondary header; ``packet_error_control`` is the CRC at the end.
    """

    version: Literal["c", "a"] = "c"
    time: TimeCode | None = None
    spare_octets: Annotated[int, Meta(ge=0, le=16)] = 0
    packet_error_control: bool = True
    structure_octets: Annotated[int, Meta(ge=1, le=8)] = 1
    event_octets: Annotated[int, Meta(ge=1, le=8)] = 2
    step_octets: Annotated[int, Meta(ge=1, le=8)] = 1
    failure_octets: Annotated[int, Meta(ge=1, le=8)] = 2


class PacketExtractor:
    """A telemetry packet in, its source data out.

    Header fields: ``service``, ``subtype``, ``message_counter``, ``destination``, ``time_status``,
    ``generated_utc_ns``; ``report`` in words, and for services 1, 3 and 5 ``request_apid``, ``request_count``,
    ``step``, ``failure_code``, ``structure_id``, ``event_id``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self._options = options
        self._layout = SECONDARY_C if options.version == "c" else SECONDARY_A
        self._octets: int = self._layout.sizeof()

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one space packet."""
        options = self._options
        if len(frame) <= PRIMARY_OCTETS:
            self.rejected["too_short"] += 1
            return []
        primary = space_packet.HEADER.parse(frame[:PRIMARY_OCTETS])
        if primary.version or primary.telecommand:
            self.rejected["no_telemetry_packet"] += 1
            return []
        if len(frame) != PRIMARY_OCTETS + 1 + primary.data_length:
            self.rejected["bad_packet_length"] += 1
            return []
        if options.packet_error_control and not crc_matches(frame, CRC16_CCITT_FALSE, "big"):
            self.rejected["bad_packet_error_control"] += 1
            return []
        body = frame[PRIMARY_OCTETS : len(frame) - 2 * options.packet_error_control]
        header: dict[str, HeaderValue] = {"apid": primary.apid}
        if not primary.secondary_header:
            # Time packets have none (§7.4.3); they are no reports of a service.
            self.counted["without_secondary_header"] += 1
            return [Packet(body, header, primary.sequence_count)]
        if len(body) < self._octets:
            self.rejected["too_short"] += 1
            return []
        secondary = self._layout.parse(body[: self._octets])
        if secondary.first.version != (PUS_C if options.version == "c" else PUS_A):
            self.rejected["wrong_pus_version"] += 1
            return []
        header |= {"service": secondary.service, "subtype": secondary.subtype}
        if options.version == "c":
            header |= {
                "message_counter": secondary.message_counter,
                "destination": secondary.destination,
                "time_status": secondary.first.time_status,
            }
        taken = self._time(body[self._octets :], header)
        if taken is None:
            return []
        source_data = body[self._octets + taken + options.spare_octets :]
        if not self._report(secondary.service, secondary.subtype, source_data, header):
            self.rejected["too_short"] += 1
            return []
        return [Packet(source_data, header, primary.sequence_count)]

    def _time(self, data: bytes, header: dict[str, HeaderValue]) -> int | None:
        """Read the time into the header and return its length; ``None`` when it is none."""
        if self._options.time is None:
            return 0
        told = self._options.time.take(data)
        if told is None:
            self.rejected["bad_time"] += 1
            return None
        header["generated_utc_ns"] = told[0]
        return told[1]

    def _report(self, service: int, subtype: int, data: bytes, header: dict[str, HeaderValue]) -> bool:
        """Read what the services of every mission have in common; false when the data end before it."""
        options = self._options
        wanted: list[tuple[str, int]] = []
        if service == 1 and subtype in VERIFICATION:
            if len(data) < REQUEST_OCTETS:
                return False
            request = REQUEST.parse(data[:REQUEST_OCTETS])
            header |= {"report": VERIFICATION[subtype], "request_apid": request.apid}
            header["request_count"] = request.sequence_count
            data = data[REQUEST_OCTETS:]
            wanted = [("step", options.step_octets)] if subtype in STEPS else []
            wanted += [("failure_code", options.failure_octets)] if subtype in FAILURES else []
        elif service == 3 and subtype in HOUSEKEEPING:
            header["report"] = HOUSEKEEPING[subtype]
            wanted = [("structure_id", options.structure_octets)]
        elif service == 5 and subtype in SEVERITY:
            header |= {"report": "event", "severity": SEVERITY[subtype]}
            wanted = [("event_id", options.event_octets)]
        elif service == 17 and subtype in ARE_YOU_ALIVE:
            header["report"] = ARE_YOU_ALIVE[subtype]
        for name, octets in wanted:
            if len(data) < octets:
                return False
            header[name], data = int.from_bytes(data[:octets], "big"), data[octets:]
        return True

    def flush(self) -> list[Packet]:
        """Return nothing: no packet waits for another."""
        return []


def build(
    apid: int,
    sequence_count: int,
    report: tuple[int, int],
    source_data: bytes,
    options: Options | None = None,
    *,
    utc_ns: int = 0,
    message_counter: int = 0,
    destination: int = 0,
) -> bytes:
    """Build a packet of a service; ``report`` is its type and subtype."""
    options = options or Options()
    if options.version == "c":
        secondary: bytes = SECONDARY_C.build(
            {
                "first": {"version": PUS_C, "time_status": 0},
                "service": report[0],
                "subtype": report[1],
                "message_counter": message_counter,
                "destination": destination,
            }
        )
    else:
        first = {"spare": False, "version": PUS_A, "spare_4": 0}
        secondary = SECONDARY_A.build({"first": first, "service": report[0], "subtype": report[1]})
    time = options.time.build(utc_ns) if options.time is not None else b""
    body = secondary + time + bytes(options.spare_octets) + source_data
    if not options.packet_error_control:
        return space_packet.build(apid, sequence_count, body, secondary_header=True)
    whole = space_packet.build(apid, sequence_count, body + b"\0\0", secondary_header=True)
    return append_crc(whole[:-2], CRC16_CCITT_FALSE, "big")


_CUC = TimeCode(code="cuc", coarse_octets=4, fine_octets=2)
_NOON_UTC_NS: Final = 1_659_700_800_000_000_000  # 2022-08-05T12:00:00Z

EXAMPLES: Final = (
    Example(
        name="housekeeping with CUC time",
        source="made from ECSS-E-ST-70-41C §7.4.3 and §8.3",
        stream=build(100, 7, (3, 25), bytes.fromhex("2a0102"), Options(time=_CUC), utc_ns=_NOON_UTC_NS),
        packets=(bytes.fromhex("2a0102"),),
        options={"time": {"code": "cuc", "coarse_octets": 4, "fine_octets": 2}},
    ),
    Example(
        name="a request that was not accepted",
        source="made from ECSS-E-ST-70-41C §8.1",
        stream=build(100, 8, (1, 2), bytes.fromhex("1864c005" + "0003")),
        packets=(bytes.fromhex("1864c005" + "0003"),),
    ),
)
