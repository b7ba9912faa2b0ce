import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.coding.crc import MODELS, CrcModel, append_crc, crc, crc_matches
from firmware_protocols.coding.scramblers import (
    G3RUH_TAPS,
    SelfSynchronisingDescrambler,
    derandomize_ccsds_soft,
    randomize_ccsds,
    scramble_self_synchronising,
    whiten_pn9,
)
from tests.reference.coding import crc_by_long_division, descramble


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_crc_of_the_digits_is_the_published_check_value(model: CrcModel) -> None:
    assert crc(b"123456789", model) == model.check


@given(data=st.binary(max_size=64), model=st.sampled_from(MODELS))
def test_crc_agrees_with_long_division(data: bytes, model: CrcModel) -> None:
    slow = crc_by_long_division(
        data,
        width=model.width,
        polynomial=model.polynomial,
        initial=model.initial,
        reflected=model.reflected,
        final_xor=model.final_xor,
    )
    assert crc(data, model) == slow


@given(data=st.binary(min_size=1, max_size=64), model=st.sampled_from(MODELS), bit=st.integers(0, 511))
def test_one_flipped_bit_breaks_the_check(data: bytes, model: CrcModel, bit: int) -> None:
    whole = bytearray(append_crc(data, model, "big"))
    assert crc_matches(bytes(whole), model, "big")
    bit %= 8 * len(whole)
    whole[bit // 8] ^= 1 << bit % 8
    assert not crc_matches(bytes(whole), model, "big")


def test_ccsds_randomizer_begins_as_the_blue_book_prints_it() -> None:
    # CCSDS 131.0-B-3 §10.4.1: the first 40 bits are 1111 1111 0100 1000 0000 1110 1100 0000 1001 1010
    assert randomize_ccsds(bytes(5)).hex() == "ff480ec09a"
    assert randomize_ccsds(bytes(300))[:45] == randomize_ccsds(bytes(300))[255:300]


def test_pn9_begins_as_the_data_sheet_says() -> None:
    # TI application note DN509, "Data whitening": FF E1 1D 9A ED 85 33 24 EA 7A D2 39 70 97 57 0A
    assert whiten_pn9(bytes(16)).hex() == "ffe11d9aed853324ea7ad2397097570a"


def test_soft_and_hard_derandomizers_agree() -> None:
    data = bytes(range(64))
    bits = np.unpackbits(np.frombuffer(randomize_ccsds(data), np.uint8))
    soft = (2.0 * bits - 1.0).astype(np.float32)
    assert np.packbits(derandomize_ccsds_soft(soft) > 0).tobytes() == data


@given(st.lists(st.integers(0, 1), min_size=1, max_size=120), st.data())
def test_descrambling_undoes_scrambling_however_the_stream_is_cut(bits: list[int], data: st.DataObject) -> None:
    scrambled = scramble_self_synchronising(np.array(bits, np.uint8))
    assert descramble(scrambled.tolist(), G3RUH_TAPS) == bits
    soft = (2.0 * scrambled - 1.0).astype(np.float32)
    cut = data.draw(st.integers(0, len(bits)))
    descrambler = SelfSynchronisingDescrambler()
    out = np.concatenate([descrambler.feed(soft[:cut]), descrambler.feed(soft[cut:])])
    assert (out > 0).astype(int).tolist() == bits


def test_a_weak_symbol_weakens_the_three_bits_it_enters() -> None:
    soft = np.ones(64, np.float32)
    soft[20] = 0.1
    out = np.abs(SelfSynchronisingDescrambler().feed(soft))
    assert np.flatnonzero(out < 0.5).tolist() == [20, 32, 37]
