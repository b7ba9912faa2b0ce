"""Keys that a satellite file names: read from private files, used by the protocol, shown nowhere."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from agent.config import read_satellite
from agent.definitions import Satellite
from agent.errors import ConfigError
from agent.frame_reader import FrameReader, Transmitter, make_frame
from agent.records import PacketRecord
from agent.security.protocol_keys import read_key, with_keys
from firmware_protocols import csp
from firmware_protocols.interface import Key, LinkFrame, Packet

SATELLITE = """
name = "KEYSAT"
norad = 99002

[[downlink]]
name = "9k6"
frequency_hz = 437_000_000
modulation = "fsk"
baudrate_bd = 9600
framing = {{ protocol = "ax100" }}
extract = [{{ protocol = "csp", options = {{ hmac_key_file = "{file}" }} }}]
"""
SECRET = "correct horse battery"


def written(folder: Path, secret: str = SECRET, mode: int = 0o400) -> Satellite:
    (folder / "keys").mkdir()
    (folder / "keys/keysat").write_text(secret + "\n")
    (folder / "keys/keysat").chmod(mode)
    (folder / "keysat.toml").write_text(SATELLITE.format(file="keys/keysat"))
    return read_satellite(folder / "keysat.toml").satellite


def packet(secret: bytes, data: bytes) -> bytes:
    """Build a packet as libcsp does, by hand: priority 2, from 1 to 10, ports 8 and 9, HMAC flag."""
    key = hashlib.sha1(secret).digest()[:16]
    return bytes.fromhex("82a20908") + data + hmac.new(key, data, hashlib.sha1).digest()[:4]


def read(satellite: Satellite, octets: bytes) -> tuple[list[Packet], dict[str, int]]:
    transmitter = Transmitter("keysat", satellite, satellite.downlinks[0])
    reader = FrameReader(transmitter)
    records = reader.read(make_frame(transmitter, LinkFrame(octets, 0, 1, "rs"), 0))
    return [item.packet for item in records if isinstance(item, PacketRecord)], dict(reader.rejected)


def test_a_packet_of_the_key_holder_is_authenticated(tmp_path: Path) -> None:
    satellite = with_keys(written(tmp_path))
    (found,), rejected = read(satellite, packet(SECRET.encode(), b"housekeeping"))
    assert (found.data, found.header["authenticated"], rejected) == (b"housekeeping", True, {})


@pytest.mark.parametrize("octet", range(4, 20))
def test_a_changed_octet_or_another_key_is_bad_authentication(tmp_path: Path, octet: int) -> None:
    satellite = with_keys(written(tmp_path))
    forged = bytearray(packet(SECRET.encode(), b"housekeeping"))
    forged[octet] ^= 1
    assert read(satellite, bytes(forged)) == ([], {"bad_authentication": 1})
    assert read(satellite, packet(b"another", b"housekeeping")) == ([], {"bad_authentication": 1})


def test_without_the_key_nothing_is_believed_and_the_reason_says_so(tmp_path: Path) -> None:
    assert read(written(tmp_path), packet(SECRET.encode(), b"housekeeping")) == ([], {"no_key": 1})


def test_a_key_is_text_or_hexadecimal(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hex:00ff10")
    file.chmod(0o400)
    assert read_key(file) == Key(b"\x00\xff\x10")
    file.chmod(0o600)
    file.write_text("hex:00f")
    with pytest.raises(ConfigError, match="no hexadecimal key"):
        read_key(file)


def test_a_key_that_others_may_read_or_that_is_absent_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"downlink\[0\]\.extract\[0\]\.options\.hmac_key_file: .*chmod 400"):
        with_keys(written(tmp_path, mode=0o444))
    (tmp_path / "keys/keysat").unlink()
    with pytest.raises(ConfigError, match=r"keys/keysat: cannot be read"):
        with_keys(read_satellite(tmp_path / "keysat.toml").satellite)


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    satellite = with_keys(written(tmp_path))
    assert isinstance(satellite.downlinks[0].extract[0].options["hmac_key"], Key)
    assert SECRET not in repr(satellite)
    assert SECRET not in repr(csp.Options(hmac_key=Key(SECRET.encode())))


def test_a_required_hmac_is_missed_in_plain_and_in_encrypted_packets() -> None:
    extractor = csp.PacketExtractor(csp.Options(hmac_key=Key(b"key"), require_hmac=True))
    assert extractor.feed(csp.build(b"data", source=1, destination=2)) == []
    assert extractor.feed(bytes.fromhex("82a20904") + b"encrypted data") == []
    assert extractor.rejected == {"not_authenticated": 2}


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_built_with_a_key_and_a_crc_is_taken_apart_again(version: int) -> None:
    options = csp.Options(version=2 if version == 2 else 1, hmac_key=Key(b"key"))
    (found,) = csp.PacketExtractor(options).feed(csp.build(b"data", options, source=1, destination=2, crc=True))
    assert (found.data, found.header["crc"], found.header["authenticated"]) == (b"data", True, True)
