import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.coding.convolutional import (
    CODES,
    PUNCTURING,
    Convention,
    Rate,
    ViterbiStream,
    decode_block,
    depuncture,
    encode_convolutional,
    puncture,
    sent_symbols,
)
from firmware_protocols.coding.golay import decode_golay, encode_golay
from firmware_protocols.coding.reed_solomon import (
    CCSDS_RS_223,
    CCSDS_RS_223_DUAL,
    CCSDS_RS_239,
    CCSDS_RS_239_DUAL,
    ReedSolomon,
    decode_interleaved,
    dual_basis_tables,
    encode_interleaved,
)
from tests.reference import coding as slow

CODES_UNDER_TEST = (
    CCSDS_RS_223,
    CCSDS_RS_223_DUAL,
    CCSDS_RS_239,
    CCSDS_RS_239_DUAL,
    ReedSolomon(0x11D, 1, 1, 32),
    ReedSolomon(0x11D, 0, 1, 16),
)


def test_dual_basis_is_the_matrix_of_the_blue_book() -> None:
    # CCSDS 131.0-B-3 annex F: the rows of T for u7 … u0
    rows = ["10001101", "11101111", "11101100", "10000110", "11111010", "10011001", "10101111", "01111011"]
    to_dual, from_dual = dual_basis_tables()
    assert [f"{to_dual[1 << bit]:08b}" for bit in range(7, -1, -1)] == rows
    assert (from_dual[to_dual] == np.arange(256)).all()


@given(data=st.binary(min_size=1, max_size=60), code=st.sampled_from(CODES_UNDER_TEST))
def test_parity_makes_every_syndrome_zero(data: bytes, code: ReedSolomon) -> None:
    codeword = data + code.encode(data)
    if code.dual_basis:
        codeword = dual_basis_tables()[1][np.frombuffer(codeword, np.uint8)].tobytes()
    syndromes = slow.reed_solomon_syndromes(
        codeword,
        polynomial=code.polynomial,
        first_root=code.first_root,
        root_step=code.root_step,
        roots=code.roots,
    )
    assert not any(syndromes)


@given(data=st.data(), code=st.sampled_from(CODES_UNDER_TEST))
@settings(max_examples=200, deadline=None)
def test_twice_the_errors_plus_the_erasures_may_be_the_roots(data: st.DataObject, code: ReedSolomon) -> None:
    sent = data.draw(st.binary(min_size=1, max_size=255 - code.roots))
    word = bytearray(sent + code.encode(sent))
    erased = data.draw(st.integers(0, min(code.roots, len(word))))
    errors = data.draw(st.integers(0, min((code.roots - erased) // 2, len(word) - erased)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    places = generator.permutation(len(word))[: erased + errors]
    for place in places[:erased]:
        word[place] ^= int(generator.integers(256))
    for place in places[erased:]:
        word[place] ^= int(generator.integers(1, 256))
    result = code.decode(bytes(word), places[:erased].tolist())
    assert result is not None
    assert result[0] == sent
    assert errors <= result[1] <= errors + erased


def test_random_words_are_refused() -> None:
    generator = np.random.default_rng(5)
    assert all(CCSDS_RS_223.decode(generator.bytes(255)) is None for _ in range(500))


def test_interleaved_codewords_correct_a_long_burst() -> None:
    data = np.random.default_rng(2).bytes(5 * 223)
    block = bytearray(encode_interleaved(CCSDS_RS_223_DUAL, data, 5))
    assert len(block) == 5 * 255
    for place in range(300, 300 + 5 * 16):
        block[place] ^= 0xA5
    assert decode_interleaved(CCSDS_RS_223_DUAL, bytes(block), 5) == (data, 80)
    block[700] ^= 1
    assert decode_interleaved(CCSDS_RS_223_DUAL, bytes(block), 5) is None


def test_doubtful_octets_are_erased_when_errors_are_too_many() -> None:
    data = bytes(range(100))
    block = bytearray(data + CCSDS_RS_223.encode(data))
    reliability = np.ones(len(block), np.float32)
    for place in range(0, 60, 3):
        block[place] ^= 0x55
        reliability[place] = 0.1
    assert decode_interleaved(CCSDS_RS_223, bytes(block), 1) is None
    assert decode_interleaved(CCSDS_RS_223, bytes(block), 1, reliability) == (data, 20)


def test_golay_has_distance_eight_and_corrects_three_errors() -> None:
    words = [encode_golay(data) for data in range(4096)]
    assert min(word.bit_count() for word in words[1:]) == 8
    for data in (0, 1, 0x5A5, 0xFFF):
        bits = np.array([words[data] >> 23 - i & 1 for i in range(24)])
        for places in itertools.islice(itertools.combinations(range(24), 3), 0, None, 17):
            soft = (2.0 * bits - 1).astype(np.float32)
            soft[list(places)] *= -1
            assert decode_golay(soft) == (data, 3)


@pytest.mark.parametrize("convention", CODES)
def test_convolutional_encoder_agrees_with_its_shift_register(convention: Convention) -> None:
    bits = np.random.default_rng(3).integers(0, 2, 200).astype(np.uint8)
    generators = (0o171, 0o133) if convention.startswith("ccsds") else (0o133, 0o171)
    inverted = tuple(generator == 0o133 and "uninverted" not in convention for generator in generators)
    expected = slow.encode_convolutional(bits.tolist(), generators, (inverted[0], inverted[1]))
    assert encode_convolutional(bits, CODES[convention]).tolist() == expected


@pytest.mark.parametrize("convention", CODES)
@pytest.mark.parametrize("rate", PUNCTURING)
def test_viterbi_corrects_scattered_errors_at_every_rate(convention: Convention, rate: Rate) -> None:
    code = CODES[convention]
    bits = np.random.default_rng(4).integers(0, 2, 840).astype(np.uint8)
    bits[-6:] = 0
    soft = (2.0 * puncture(encode_convolutional(bits, code), rate, code) - 1).astype(np.float32)
    soft[50::97] *= -0.5
    assert (decode_block(depuncture(soft, rate, code), code, terminated=True) == bits).all()


def test_soft_decisions_gain_over_hard_ones() -> None:
    code = CODES["ccsds"]
    generator = np.random.default_rng(6)
    bits = generator.integers(0, 2, 50_000).astype(np.uint8)
    noise = generator.standard_normal(2 * bits.size) * 10 ** (-3 / 20)  # Eb/N0 = 3 dB at rate 1/2
    soft = (2.0 * encode_convolutional(bits, code) - 1 + noise).astype(np.float32)
    hard = np.sign(soft).astype(np.float32)
    soft_errors = int((decode_block(soft, code) != bits).sum())
    assert soft_errors * 10 < int((decode_block(hard, code) != bits).sum())
    # J. Heller, I. Jacobs, IEEE Trans. Commun. Technol. COM-19 (1971), fig. 4: about 5·10^-4 at 3 dB.
    assert soft_errors < 1e-3 * bits.size


@given(st.lists(st.integers(0, 1400), max_size=5))
@settings(max_examples=25, deadline=None)
def test_viterbi_stream_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    code = CODES["nasa-dsn"]
    bits = np.random.default_rng(8).integers(0, 2, 700).astype(np.uint8)
    soft = (2.0 * encode_convolutional(bits, code) - 1).astype(np.float32)
    edges = [0, *sorted(cuts), soft.size]
    stream = ViterbiStream(code)
    out = [stream.feed(soft[a:b]) for a, b in itertools.pairwise(edges)]
    decoded = np.concatenate([*out, stream.flush()])
    assert decoded.size == bits.size
    assert (decoded[7:] == bits[7:]).all()  # the first state is unknown to a stream


def test_a_burst_of_nan_does_not_poison_what_follows() -> None:
    code = CODES["ccsds"]
    bits = np.random.default_rng(9).integers(0, 2, 1000).astype(np.uint8)
    soft = (2.0 * encode_convolutional(bits, code) - 1).astype(np.float32)
    soft[100:300] = np.nan
    stream = ViterbiStream(code)
    decoded = np.concatenate([stream.feed(soft), stream.flush()])
    assert (decoded[250:] == bits[250:]).all()


@given(st.integers(0, 200), st.integers(1, 300), st.sampled_from(sorted(PUNCTURING)))
def test_depuncturing_in_pieces_is_the_same(cut: int, size: int, rate: Rate) -> None:
    cut = min(cut, size)
    soft = np.arange(1, size + 1, dtype=np.float32)
    code = CODES["ccsds"]
    whole = depuncture(soft, rate, code)
    parts = [depuncture(soft[:cut], rate, code), depuncture(soft[cut:], rate, code, cut)]
    assert np.concatenate(parts).tolist() == whole.tolist()


def test_punctured_rates_are_what_they_say() -> None:
    for rate, patterns in PUNCTURING.items():
        numerator, denominator = rate.split("/")
        assert sent_symbols(rate) * int(numerator) == len(patterns[0]) * int(denominator)
