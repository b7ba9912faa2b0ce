import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols import kiss

STAMP_UTC_MS = 1_700_000_000_000


def read(stream: bytes, options: kiss.Options | None = None) -> tuple[list[bytes], dict[str, int]]:
    deframer = kiss.Deframer(options or kiss.Options())
    frames = deframer.feed(stream) + deframer.flush()
    return [frame.data for frame in frames], dict(deframer.rejected)


@given(st.binary(min_size=1, max_size=300), st.integers(0, 15))
def test_any_frame_on_any_port_comes_back(frame: bytes, port: int) -> None:
    assert read(kiss.encode(frame, kiss.Options(), port=port)) == ([frame], {})


@given(st.binary(max_size=300))
def test_escaping_leaves_no_delimiter_and_can_be_undone(octets: bytes) -> None:
    escaped = kiss.escape(octets)
    assert kiss.FEND not in escaped
    assert kiss.unescape(escaped) == octets


def test_a_time_stamp_belongs_to_the_next_data_frame_only() -> None:
    deframer = kiss.Deframer(kiss.Options())
    stream = kiss.encode(b"first", kiss.Options(), reported_utc_ms=STAMP_UTC_MS) + kiss.encode(
        b"second", kiss.Options()
    )
    frames = deframer.feed(stream)
    assert [(frame.data, frame.reported_utc_ms) for frame in frames] == [
        (b"first", STAMP_UTC_MS),
        (b"second", None),
    ]
    assert all(frame.check == "tnc" for frame in frames)


def test_line_noise_before_the_first_delimiter_is_no_frame() -> None:
    assert read(b"\x00noise\xdb\xc0\x00abc\xc0") == ([b"abc"], {})


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"\xc0\x00ab\xdbcd\xc0", "bad_escape"),
        (b"\xc0\x00ab\xdb\xc0", "bad_escape"),
        (b"\xc0\x06\x01\xc0", "other_command"),
        (b"\xc0\x09\x01\x02\xc0", "bad_time_stamp"),
        (b"\xc0\x09" + b"\xff" * 8 + b"\xc0", "bad_time_stamp"),
        (b"\xc0\x00" + bytes(101) + b"\xc0", "too_long"),
        (b"\xc0\x00" + bytes(5000) + b"\xc0", "too_long"),
        (b"\xc0\x00\xc0", "too_short"),
        (b"\xc0\x00abc", "truncated"),
    ],
)
def test_what_is_no_frame_is_counted_by_reason(stream: bytes, reason: str) -> None:
    good = b"\xc0\x00good\xc0"
    frames, rejected = read(stream + good, kiss.Options(max_octets=100)) if reason != "truncated" else read(stream)
    assert rejected == {reason: 1}
    assert frames == ([b"good"] if reason != "truncated" else [])


def test_memory_is_bounded_when_no_delimiter_comes() -> None:
    deframer = kiss.Deframer(kiss.Options(max_octets=100))
    deframer.feed(b"\xc0")
    for _ in range(1000):
        deframer.feed(bytes(1000))
    assert len(deframer._held) <= 202
    assert deframer.rejected == {"too_long": 1}


def test_a_time_stamp_needs_the_command_octet() -> None:
    with pytest.raises(ValueError, match="command octet"):
        kiss.encode(b"x", kiss.Options(has_command=False), reported_utc_ms=STAMP_UTC_MS)
    with pytest.raises(ValueError, match="port"):
        kiss.encode(b"x", kiss.Options(), port=16)
