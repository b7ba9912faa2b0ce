"""The framings with codes: in noise at the limit of their codes, in silence and noise alone, at odd edges."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware_protocols import (
    aausat4,
    ao40_fec,
    ax100,
    cc11xx,
    ccsds_tm_sync,
    fx25,
    il2p,
    lilacsat1,
    mobitex,
    ngham,
    snet,
    sx12xx,
    u482c,
    usp,
)
from firmware_protocols.coding.line_code import DifferentialDecoder, encode_nrz_m
from firmware_protocols.coding.sync_word import (
    Accept,
    More,
    Reject,
    SyncedFrames,
    SyncWord,
    Verdict,
    eye_opening,
    hard_octets,
    octets_to_bits,
)

PSEUDO_RANDOM = np.random.default_rng(0).bytes(1115)
AX25_HEADER = bytes.fromhex("86a240404040e0968264888aae6103f0")


def soft(bits: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (2.0 * bits - 1.0).astype(np.float32)


def noisy(bits: NDArray[np.uint8], esn0_db: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Antipodal symbols with noise before, in and behind them."""
    padded = np.concatenate([np.zeros(200), soft(bits), np.zeros(200)])
    sigma = 10 ** (-esn0_db / 20) / 2**0.5
    return (padded + sigma * generator.standard_normal(padded.size)).astype(np.float32)


CASES = [
    # module, options, frame, Es/N0 in dB at which nine of ten frames must come out
    pytest.param(ax100, {}, PSEUDO_RANDOM[:100], 4.5, id="ax100 mode 5"),
    pytest.param(ax100, {"mode": "reed_solomon"}, PSEUDO_RANDOM[:100], 6.5, id="ax100 mode 6"),
    pytest.param(u482c, {}, PSEUDO_RANDOM[:100], 4.5, id="u482c"),
    pytest.param(u482c, {"convolutional": True}, PSEUDO_RANDOM[:90], 1.0, id="u482c convolutional"),
    pytest.param(
        ccsds_tm_sync, {"frame_octets": 223, "reed_solomon": "dual"}, PSEUDO_RANDOM[:223], 5.0, id="ccsds rs"
    ),
    pytest.param(
        ccsds_tm_sync,
        {"frame_octets": 1115, "reed_solomon": "dual", "interleaving": 5, "precoding": "differential"},
        PSEUDO_RANDOM,
        6.0,
        id="ccsds rs, five deep, NRZ-M",
    ),
    pytest.param(
        ccsds_tm_sync,
        {"frame_octets": 223, "reed_solomon": "dual", "convolutional": "ccsds", "precoding": "differential"},
        PSEUDO_RANDOM[:223],
        -1.0,  # Eb/N0 = 2.6 dB
        id="ccsds concatenated, NRZ-M",
    ),
    pytest.param(ao40_fec, {}, PSEUDO_RANDOM[:256], -0.8, id="ao40 fec"),
    pytest.param(ao40_fec, {"short": True}, PSEUDO_RANDOM[:128], -0.4, id="ao40 fec short"),
    pytest.param(usp, {}, PSEUDO_RANDOM[:200], -0.2, id="usp"),
    pytest.param(fx25, {"scrambler": "none"}, AX25_HEADER + PSEUDO_RANDOM[:60], 7.0, id="fx25"),
    pytest.param(il2p, {}, AX25_HEADER + PSEUDO_RANDOM[:100], 6.0, id="il2p"),
    pytest.param(mobitex, {"block_mask": False}, b"\x23\x0e" + PSEUDO_RANDOM[:72], 5.5, id="mobitex"),
    pytest.param(aausat4, {}, PSEUDO_RANDOM[:92], 0.3, id="aausat4 long"),
    pytest.param(aausat4, {}, PSEUDO_RANDOM[:31], 0.3, id="aausat4 short"),
    pytest.param(
        cc11xx,
        {"fixed_octets": 255, "crc": False, "reed_solomon": True},
        PSEUDO_RANDOM[:223],
        5.0,
        id="cc11xx, rscode",
    ),
    pytest.param(ngham, {}, b"\x00" + PSEUDO_RANDOM[:92], 5.5, id="ngham"),
    pytest.param(snet, {}, PSEUDO_RANDOM[:114], 4.5, id="snet"),
    pytest.param(sx12xx, {}, PSEUDO_RANDOM[:68], 10.0, id="sx12xx"),
]
UNCODED = (sx12xx,)


@pytest.mark.parametrize(("module", "table", "frame", "esn0_db"), CASES)
def test_nine_of_ten_frames_come_out_of_noise(
    module: ModuleType, table: dict[str, Any], frame: bytes, esn0_db: float
) -> None:
    options = module.Options(**table)
    generator = np.random.default_rng(1)
    deframer = module.Deframer(options)
    found = []
    for _ in range(20):
        found += deframer.feed(noisy(module.encode(frame, options), esn0_db, generator))
        found += deframer.flush()
    assert all(each.data == frame for each in found)
    assert len(found) >= 18
    inner_code_corrects_all = "convolutional" in table or module in (ao40_fec, usp, aausat4)
    assert any(each.corrected for each in found) or inner_code_corrects_all or module in UNCODED


@pytest.mark.parametrize(("module", "table"), [(case.values[0], case.values[1]) for case in CASES])
def test_noise_and_silence_yield_no_frame(module: ModuleType, table: dict[str, Any]) -> None:
    generator = np.random.default_rng(2)
    deframer = module.Deframer(module.Options(**table))
    assert deframer.feed(np.zeros(50_000, np.float32)) + deframer.flush() == []
    for _ in range(10):
        assert deframer.feed(generator.standard_normal(96_000, dtype=np.float32)) == []


@pytest.mark.parametrize("module", [ccsds_tm_sync, lilacsat1])
def test_a_sync_word_in_noise_is_no_unchecked_frame(module: ModuleType) -> None:
    options = module.Options()
    frame = PSEUDO_RANDOM[: 81 if module is lilacsat1 else 223]
    symbols = soft(module.encode(frame, options))
    generator = np.random.default_rng(3)
    if module is ccsds_tm_sync:
        symbols[160:-128] = generator.standard_normal(symbols.size - 288)
    else:
        symbols[400:-100] = generator.standard_normal(symbols.size - 500)
    deframer = module.Deframer(options)
    assert deframer.feed(symbols) + deframer.flush() == []
    assert deframer.rejected["noise"] == 1


def test_continuous_frames_come_one_after_another_with_their_offsets() -> None:
    options = ccsds_tm_sync.Options(frame_octets=100, reed_solomon="conventional", convolutional="nasa-dsn")
    sent = [bytes([k]) * 100 for k in range(5)]
    symbols = soft(ccsds_tm_sync.encode_blocks(sent, options))
    deframer = ccsds_tm_sync.Deframer(options)
    frames = deframer.feed(-symbols[1:]) + deframer.flush()  # half a pair late and upside down
    assert [frame.data for frame in frames] == sent
    period = 2 * 8 * (4 + 100 + 32)
    assert np.diff([frame.offset for frame in frames]).tolist() == [period] * 4
    assert all(abs(frame.span - period) <= 2 for frame in frames)


def test_a_false_sync_word_some_octets_early_does_not_shift_a_frame() -> None:
    # CCSDS randomizer and full-length codewords are both cyclic: without care this gives a well-checked lie.
    options = ccsds_tm_sync.Options(frame_octets=223, reed_solomon="dual")
    sent = [PSEUDO_RANDOM[:223], PSEUDO_RANDOM[223:446]]
    bits = ccsds_tm_sync.encode_blocks(sent, options)
    second_asm = 8 * (16 + 4 + 255)
    for octets in (5, 10, 12):
        damaged = bits.copy()
        place = second_asm - 8 * octets
        damaged[place : place + 32] = octets_to_bits(bytes.fromhex(options.asm))
        deframer = ccsds_tm_sync.Deframer(options)
        frames = deframer.feed(soft(damaged)[second_asm - 400 :]) + deframer.flush()
        assert [frame.data for frame in frames] == sent[1:]
        assert deframer.rejected == {"shifted": 1}


def test_options_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of interleaving"):
        ccsds_tm_sync.Options(frame_octets=224, reed_solomon="dual")
    with pytest.raises(ValueError, match="multiple of interleaving"):
        ccsds_tm_sync.Options(frame_octets=223, reed_solomon="dual", interleaving=2)


def test_a_frame_error_control_field_is_checked() -> None:
    options = ccsds_tm_sync.Options(frame_octets=50, fecf=True, randomizer=False)
    symbols = soft(ccsds_tm_sync.encode(PSEUDO_RANDOM[:50], options))
    (frame,) = ccsds_tm_sync.Deframer(options).feed(symbols)
    assert (frame.check, frame.data[:48]) == ("crc16", PSEUDO_RANDOM[:48])
    symbols[300] *= -1
    deframer = ccsds_tm_sync.Deframer(options)
    assert deframer.feed(symbols) == []
    assert deframer.rejected == {"bad_fecf": 1}


def test_a_mobitex_frame_says_which_blocks_are_bad_when_parts_are_wanted() -> None:
    options = mobitex.Options(partial=True)
    whole = b"\x23\x0e" + PSEUDO_RANDOM[:72]
    symbols = soft(mobitex.encode(whole + b"\xaa\0\0\0\0\xbb", options))
    start = symbols.size - 8 - 4 * mobitex.BLOCK_BITS
    symbols[start + 240 : start + 480] *= np.random.default_rng(4).choice([-1, 1], 240)
    deframer = mobitex.Deframer(options)
    (frame,) = deframer.feed(symbols) + deframer.flush()
    assert frame.check == "none"
    assert frame.data[-6:].hex() == "aa00000002bb"
    assert frame.data[38:74] == whole[38:74]
    strict = mobitex.Deframer(mobitex.Options())
    assert strict.feed(symbols) + strict.flush() == []
    assert strict.rejected == {"bad_crc": 1}


def test_il2p_header_of_the_specification_is_scrambled_and_translated_as_printed() -> None:
    # IL2P draft specification, example encoded packets: header before and behind the scrambler
    plain, scrambled = bytes.fromhex("2ba1122425776b2b5468252a27"), bytes.fromhex("26574d57f196cc8542e724f72e")
    assert il2p.scramble(plain) == scrambled
    assert il2p.descramble(scrambled) == plain
    assert il2p.HEADER_CODE.encode(scrambled).hex() == "8a97"


@given(st.integers(1, 1023))
def test_il2p_blocks_are_as_even_as_can_be(octets: int) -> None:
    sizes = il2p.block_sizes(octets)
    assert sum(sizes) == octets
    assert max(sizes) <= 239
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


def test_fx25_tags_differ_in_half_their_bits() -> None:
    tags = [mode.tag for mode in fx25.MODES]
    assert {(a ^ b).bit_count() for a in tags for b in tags if a != b} == {32}


def test_ao40_sync_word_is_karns() -> None:
    # P. Karn, "Proposed Coded AO-40 Telemetry Format": the sync vector begins 1111 1110 0001 1101
    assert "".join(map(str, ao40_fec.sync_bits(16))) == "1111111000011101"


@given(st.lists(st.integers(0, 1), min_size=1, max_size=60), st.booleans(), st.integers(0, 60))
def test_differential_decoding_undoes_encoding_however_cut(bits: list[int], space: bool, cut: int) -> None:
    sent = soft(encode_nrz_m(np.array([0, *bits], np.uint8), space=space))
    decoder = DifferentialDecoder(space=space)
    out = np.concatenate([decoder.feed(sent[:cut]), decoder.feed(sent[cut:])])
    assert (out[1:] > 0).astype(int).tolist() == bits


@given(st.data())
@settings(max_examples=60)
def test_sync_words_are_found_where_a_plain_comparison_finds_them(data: st.DataObject) -> None:
    word = data.draw(st.text("01", min_size=8, max_size=12))
    errors = data.draw(st.integers(0, 2))
    stream = data.draw(st.lists(st.integers(0, 1), min_size=20, max_size=120))
    hits: list[str] = []

    def judge(symbols: NDArray[np.float32]) -> Verdict:
        hits.append("".join(str(int(value > 0)) for value in symbols))
        return Reject()

    search = SyncedFrames(
        SyncWord(word, errors, inverted_too=False), judge, Counter(), first_symbols=4, max_symbols=4
    )
    search.feed(soft(np.array(stream, np.uint8)))
    text = "".join(map(str, stream))
    expected = [
        text[i + len(word) : i + len(word) + 4]
        for i in range(len(text) - len(word) - 3)
        if sum(a != b for a, b in zip(text[i:], word, strict=False)) <= errors
    ]
    assert hits == expected


def test_a_length_that_lies_costs_one_frame_and_is_counted() -> None:
    asked: list[int] = []

    def judge(symbols: NDArray[np.float32]) -> Verdict:
        asked.append(symbols.size)
        return More(8 * 10_000)

    rejected: Counter[str] = Counter()
    search = SyncedFrames(SyncWord("1011000111001011"), judge, rejected, first_symbols=8, max_symbols=800)
    search.feed(soft(np.array([int(c) for c in "1011000111001011" + "0" * 2000], np.uint8)))
    assert asked == [8]
    assert rejected == {"too_long": 1}


def test_a_hit_inside_an_accepted_frame_is_passed_over() -> None:
    word = "1011000111001011"
    inner = octets_to_bits(bytes((int(word[:8], 2), int(word[8:], 2), 0x55, 0x55)))
    stream = np.concatenate(
        [octets_to_bits(bytes((int(word[:8], 2), int(word[8:], 2)))), inner, np.zeros(64, np.uint8)]
    )

    def judge(symbols: NDArray[np.float32]) -> Verdict:
        return Accept(hard_octets(symbols), symbols.size, "none")

    frames = SyncedFrames(SyncWord(word), judge, Counter(), first_symbols=32, max_symbols=32).feed(soft(stream))
    assert [frame.data[2:] for frame in frames] == [b"\x55\x55"]


def test_eye_opening_tells_noise_from_a_signal() -> None:
    generator = np.random.default_rng(5)
    noise = generator.standard_normal(20_000).astype(np.float32)
    assert eye_opening(noise) == pytest.approx(2 / np.pi, abs=0.01)
    assert eye_opening(np.sign(noise) + 0.1 * noise) > 0.95
    assert eye_opening(np.zeros(0, np.float32)) == 0.0


@pytest.mark.parametrize("place", [20, 100, 180])
@pytest.mark.parametrize("doubled", [False, True])
def test_a_symbol_that_the_clock_lost_or_doubled_costs_snet_no_frame(place: int, doubled: bool) -> None:
    frame = PSEUDO_RANDOM[:114]
    bits = snet.encode(frame, snet.Options())
    start = 96 + 48 + 32 + snet.HEADER_BITS + 3 * snet.BLOCK_BITS + place
    slipped = np.insert(bits, start, bits[start]) if doubled else np.delete(bits, start)
    deframer = snet.Deframer(snet.Options())
    found = deframer.feed(soft(slipped)) + deframer.flush()
    assert [each.data for each in found] == [frame]


def test_snet_refuses_data_that_are_no_codewords_and_counts_frames_without_data() -> None:
    symbols = soft(snet.encode(PSEUDO_RANDOM[:114], snet.Options()))
    begin = 96 + 48 + 32 + snet.HEADER_BITS
    symbols[begin:-96] = np.random.default_rng(5).standard_normal(symbols.size - 96 - begin)
    deframer = snet.Deframer(snet.Options())
    assert deframer.feed(symbols) + deframer.flush() == []
    assert deframer.rejected == {"bad_bch": 1}


@pytest.mark.parametrize("octets", [28, 60, 92, 126, 158, 190, 221])
def test_ngham_takes_the_smallest_of_its_seven_blocks(octets: int) -> None:
    frame = b"\x00" + PSEUDO_RANDOM[: octets - 1]
    deframer = ngham.Deframer(ngham.Options())
    (found,) = deframer.feed(soft(ngham.encode(frame, ngham.Options()))) + deframer.flush()
    assert found.data[1:] == frame[1:]
    assert found.data[0] & ~ngham.PADDING == 0
