"""The operational control field of a frame: the report of the spacecraft's command receiver (CLCW).

::

    control word type 1 │ version 2 │ status 3 │ COP 2 │ VCID 6 │ spare 2 │ no RF 1 │ no bit lock 1 │ lockout 1
    │ wait 1 │ retransmit 1 │ FARM-B 2 │ spare 1 │ report value 8

Type 0 is the CLCW, type 1 is a report of another kind (SDLS). Source: CCSDS 232.0-B-4 §4.2.
"""

from __future__ import annotations

from construct import BitsInteger, BitStruct, Flag, Padding

from firmware_protocols.interface import HeaderValue

OCTETS = 4

CLCW = BitStruct(
    "other_type" / Flag,
    "version" / BitsInteger(2),
    "status" / BitsInteger(3),
    "cop_in_effect" / BitsInteger(2),
    "vcid" / BitsInteger(6),
    Padding(2),
    "no_rf_available" / Flag,
    "no_bit_lock" / Flag,
    "lockout" / Flag,
    "wait" / Flag,
    "retransmit" / Flag,
    "farm_b_counter" / BitsInteger(2),
    Padding(1),
    "report_value" / BitsInteger(8),
)

SHOWN = (
    "status",
    "cop_in_effect",
    "vcid",
    "no_rf_available",
    "no_bit_lock",
    "lockout",
    "wait",
    "retransmit",
    "farm_b_counter",
    "report_value",
)


def read(field: bytes) -> dict[str, HeaderValue]:
    """Return header fields: ``ocf``, and ``clcw_…`` when it is a CLCW."""
    header: dict[str, HeaderValue] = {"ocf": field}
    parsed = CLCW.parse(field)
    if not parsed.other_type:
        header |= {f"clcw_{name}": parsed[name] for name in SHOWN}
    return header
