"""Every protocol module keeps the contract of ``firmware_protocols.interface``; a new file enrols itself."""

from __future__ import annotations

import itertools
from collections import Counter
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_protocols.interface import (
    Around,
    BadOptions,
    Example,
    LinkFrame,
    UnknownProtocol,
    convert_options,
    load,
    make_deframer,
    make_extractor,
    protocol_names,
)

NAMES = ("template", *protocol_names())
MODULES = [load(name) for name in NAMES]
SELF_CHECKING = {"fcs", "rs", "crc16", "crc32c", "golay"}
"""Checks that a protocol makes itself: what passes one is no noise."""
KNOWN_CHECKS = SELF_CHECKING | {"bch", "tnc", "none"}

DEFRAMING = [
    pytest.param(module, example, id=f"{module.__name__.split('.')[-1]}: {example.name}")
    for module in MODULES
    if hasattr(module, "Deframer")
    for example in module.EXAMPLES
    if not example.packets
]
EXTRACTING = [
    pytest.param(module, example, id=f"{module.__name__.split('.')[-1]}: {example.name}")
    for module in MODULES
    if hasattr(module, "PacketExtractor")
    for example in module.EXAMPLES
    if example.packets
]


def elements(module: ModuleType, stream: bytes, amplitude: float = 1.0) -> Any:
    """Turn an example's stream into what the deframer eats."""
    if module.INPUT == "octets":
        return stream
    bits = np.frombuffer(stream, np.uint8)
    return ((2.0 * bits - 1.0) * amplitude).astype(np.float32)


def pieces(stream: Any, cuts: list[int]) -> list[Any]:
    edges = [0, *sorted(cuts), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def run(module: ModuleType, options: Any, parts: list[Any]) -> tuple[list[LinkFrame], Counter[str]]:
    deframer = module.Deframer(options)
    frames = [frame for part in parts for frame in deframer.feed(part)]
    frames += deframer.flush()
    return frames, deframer.rejected


def garbage(module: ModuleType, size: int, seed: int) -> Any:
    generator = np.random.default_rng(seed)
    if module.INPUT == "octets":
        return generator.bytes(size)
    return generator.standard_normal(size).astype(np.float32)


def join(module: ModuleType, *parts: Any) -> Any:
    return b"".join(parts) if module.INPUT == "octets" else np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize("module", MODULES, ids=NAMES)
def test_module_offers_what_the_interface_asks_for(module: ModuleType) -> None:
    assert module.__doc__
    assert issubclass(module.Options, msgspec.Struct)
    assert hasattr(module, "Deframer") or hasattr(module, "PacketExtractor")
    assert module.EXAMPLES
    assert convert_options(module, {}) == module.Options()
    with pytest.raises(BadOptions, match="no_such_option"):
        convert_options(module, {"no_such_option": 1})
    if hasattr(module, "Deframer"):
        assert module.INPUT in ("octets", "symbols")
        assert any(not example.packets for example in module.EXAMPLES)
        assert callable(module.encode)
    if hasattr(module, "PacketExtractor"):
        assert any(example.packets for example in module.EXAMPLES)


@pytest.mark.parametrize(("module", "example"), DEFRAMING)
def test_example_yields_its_frames(module: ModuleType, example: Example) -> None:
    options = convert_options(module, example.options)
    frames, rejected = run(module, options, [elements(module, example.stream)])
    assert tuple(frame.data for frame in frames) == example.frames
    assert isinstance(rejected, Counter)
    assert example.source
    for frame in frames:
        assert frame.check in KNOWN_CHECKS
        assert frame.offset >= 0
        assert 0 < frame.offset + frame.span <= len(example.stream)


@pytest.mark.parametrize(("module", "example"), DEFRAMING)
def test_one_element_at_a_time_gives_the_same(module: ModuleType, example: Example) -> None:
    options = convert_options(module, example.options)
    stream = elements(module, example.stream)
    whole = run(module, options, [stream])
    assert run(module, options, [stream[i : i + 1] for i in range(len(stream))]) == whole


@pytest.mark.parametrize(("module", "example"), DEFRAMING)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_cutting_gives_the_same(module: ModuleType, example: Example, data: st.DataObject) -> None:
    options = convert_options(module, example.options)
    once = elements(module, example.stream)
    stream = join(module, garbage(module, 300, 7), once, garbage(module, 40, 8), once, garbage(module, 300, 9))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    assert run(module, options, pieces(stream, cuts)) == run(module, options, [stream])


@pytest.mark.parametrize(("module", "example"), DEFRAMING)
def test_frames_survive_garbage_around_them(module: ModuleType, example: Example) -> None:
    options = convert_options(module, example.options)
    stream = elements(module, example.stream)
    for seed in range(5):
        parts = [garbage(module, 500, seed), stream, garbage(module, 500, seed + 100), stream]
        frames, _ = run(module, options, [join(module, *parts)])
        found = [frame.data for frame in frames]
        for expected in example.frames:
            # Garbage may swallow a frame that stands behind it (an octet stream has no more than delimiters).
            assert found.count(expected) >= (1 if module.INPUT == "octets" else 2)
        if all(frame.check in SELF_CHECKING for frame in frames):
            assert set(found) == set(example.frames)


@pytest.mark.parametrize(("module", "example"), DEFRAMING)
def test_flipped_bits_never_pass_a_check(module: ModuleType, example: Example) -> None:
    options = convert_options(module, example.options)
    generator = np.random.default_rng(11)
    for _ in range(30):
        stream = np.frombuffer(example.stream, np.uint8).copy()
        place = generator.integers(stream.size)
        stream[place] ^= 1 if module.INPUT == "symbols" else 1 << generator.integers(8)
        frames, _ = run(module, options, [elements(module, stream.tobytes())])
        for frame in frames:
            assert frame.data in example.frames or frame.check not in SELF_CHECKING


@pytest.mark.parametrize(("module", "example"), DEFRAMING)
def test_truncated_streams_give_whole_frames_or_none(module: ModuleType, example: Example) -> None:
    options = convert_options(module, example.options)
    stream = elements(module, example.stream)
    for size in range(0, len(stream), max(1, len(stream) // 40)):
        frames, _ = run(module, options, [stream[:size]])
        for frame in frames:
            assert frame.data in example.frames or frame.check not in SELF_CHECKING


@pytest.mark.parametrize(("module", "example"), DEFRAMING)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_what_is_encoded_is_received(module: ModuleType, example: Example, data: st.DataObject) -> None:
    options = convert_options(module, example.options)
    for frame in example.frames:
        # The first octets stay, for they may be a header that the deframer wants to see.
        kept = min(16, len(frame))
        tail = data.draw(st.binary(min_size=len(frame) - kept, max_size=len(frame) - kept))
        sent = frame[:kept] + tail
        channel = module.encode(sent, options)
        frames, _ = run(module, options, [elements(module, bytes(channel))])
        assert [each.data for each in frames] == [sent]


@pytest.mark.parametrize(("module", "example"), DEFRAMING)
def test_odd_numbers_do_no_harm(module: ModuleType, example: Example) -> None:
    options = convert_options(module, example.options)
    if module.INPUT == "octets":
        run(module, options, [b"", bytes(5000), b"\xff" * 5000])
        return
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1e30] * 400, np.float32)
    run(module, options, [odd, np.zeros(0, np.float32), np.zeros(5000, np.float32)])
    frames, _ = run(module, options, [np.concatenate([odd, elements(module, example.stream)])])
    assert {frame.data for frame in frames} >= set(example.frames)


@pytest.mark.parametrize(("module", "example"), EXTRACTING)
def test_example_yields_its_packets(module: ModuleType, example: Example) -> None:
    extractor = module.PacketExtractor(convert_options(module, example.options))
    packets = [*extractor.feed(example.stream), *extractor.flush()]
    assert tuple(packet.data for packet in packets) == example.packets


@pytest.mark.parametrize(("module", "example"), EXTRACTING)
def test_damaged_frames_are_counted_or_taken_apart(module: ModuleType, example: Example) -> None:
    generator = np.random.default_rng(3)
    extractor = module.PacketExtractor(convert_options(module, example.options))
    for size in range(len(example.stream)):
        before = extractor.rejected.total()
        packets = extractor.feed(example.stream[:size])
        assert packets or extractor.rejected.total() > before or extractor.flush() is not None
    for _ in range(50):
        damaged = bytearray(example.stream)
        damaged[generator.integers(len(damaged))] ^= 1 << generator.integers(8)
        extractor.feed(bytes(damaged))
        extractor.feed(generator.bytes(int(generator.integers(1, 200))))


ENCLOSING = [item for item in EXTRACTING if hasattr(item.values[0], "enclose")]


@pytest.mark.parametrize(("module", "example"), ENCLOSING)
def test_what_is_enclosed_comes_out_again(module: ModuleType, example: Example) -> None:
    options = convert_options(module, example.options)
    packet = example.packets[0]
    for around in (Around(example.stream), Around(example.stream, number=3)):
        sent = packet if around.number == 0 else module.enclose(packet, options, around)
        extractor = module.PacketExtractor(options)
        found = [*extractor.feed(module.enclose(packet, options, around)), *extractor.flush()]
        # A protocol that numbers the packet itself changes its count and nothing else.
        assert [len(each.data) for each in found[:1]] == [len(packet)]
        assert found[0].data in (packet, sent)
        assert extractor.rejected.total() == 0


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(UnknownProtocol) as caught:
        make_deframer("ax26", {})
    assert "ax25" in caught.value.known


def test_deframers_and_extractors_are_made_by_name() -> None:
    kind, deframer = make_deframer("kiss", {})
    assert kind == "octets"
    assert [frame.data for frame in deframer.feed(b"\xc0\x00abc\xc0")] == [b"abc"]
    assert make_extractor("ax25", {}).feed(b"") == []
    with pytest.raises(BadOptions, match="takes no packets"):
        make_extractor("kiss", {})
