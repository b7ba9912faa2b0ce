"""A fleet that speaks fast: one beacon of every satellite ten times a second, for measuring what the page costs.

``python -m tests.dashboard.flood PORT [--satellites N] [--parameters N] [--hz H]``. Payloads are the agent's own;
the MQTT around them is written here (MQTT 3.1.1 §3.1 and §3.3, QoS 0), since a client library would need a core for
it and the machine that runs the test has two.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import time
from collections.abc import Iterator

from agent.sinks import payloads
from agent.sinks.payloads import Message
from agent.sinks.schema import schema_message
from tests.dashboard.crafts import STATION
from tests.dashboard.fleet import Fleet


def packet(kind: int, body: bytes) -> bytes:
    """Frame an MQTT packet: type and flags, remaining length (§2.2.3), body."""
    length = len(body)
    digits = bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes((kind, *digits)) + body


def text(value: str) -> bytes:
    """Encode a string with its length."""
    octets = value.encode()
    return struct.pack(">H", len(octets)) + octets


def publish(message: Message) -> bytes:
    """Frame a message at QoS 0."""
    return packet(0x30 | bool(message.retain), text(f"gs/{STATION}/{message.topic}") + message.payload)


def connect(port: int) -> socket.socket:
    """Connect to a broker on this machine."""
    line = socket.create_connection(("127.0.0.1", port))
    line.sendall(packet(0x10, text("MQTT") + bytes((4, 2)) + struct.pack(">H", 0) + text("flood")))
    answer = line.recv(4)
    if answer[:1] != b"\x20" or answer[3:] != b"\x00":
        raise SystemExit(f"the broker refuses: {answer.hex()}")
    return line


def births(fleet: Fleet) -> Iterator[Message]:
    """Say what a station says first."""
    now_ns = time.time_ns()
    yield payloads.status_message(
        online=True, at_utc_ns=now_ns, boot="b00t", version="0", delivery=payloads.DELIVERY_TO_BROKER
    )
    for craft in fleet.crafts.values():
        yield schema_message(craft.slug, craft.definition)
        yield from fleet.reports(craft)
        yield from fleet.states(craft)
    yield from payloads.pass_messages(fleet.passes(), now_ns)


def main() -> None:
    """Publish until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--satellites", type=int, default=130)
    parser.add_argument("--parameters", type=int, default=39)
    parser.add_argument("--hz", type=float, default=10.0)
    given = parser.parse_args()
    fleet = Fleet(None, given.satellites, given.parameters)
    line = connect(given.port)
    line.sendall(b"".join(publish(message) for message in births(fleet)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    due_s = time.monotonic()
    while True:
        line.sendall(
            b"".join(publish(message) for craft in fleet.crafts.values() for message in fleet.reports(craft))
        )
        due_s += 1 / given.hz
        time.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    main()
