"""The simulated TNC as a program on the other side sees it: pyserial opens it like any port."""

import os
from pathlib import Path

import pytest
import serial

from agent.simulator.pty_tnc import PtyTnc


def test_what_nobody_hears_is_lost_and_what_is_heard_arrives() -> None:
    tnc = PtyTnc()
    tnc.plug()
    try:
        assert tnc.write(b"unheard") == 0
        with serial.Serial(tnc.path, timeout=1, exclusive=True) as port:
            assert tnc.listened_to
            assert tnc.write(bytes(range(256))) == 256
            assert port.read(256) == bytes(range(256))
        assert not tnc.listened_to
        assert (tnc.sent, tnc.unheard) == (256, 7)
    finally:
        tnc.close()


def test_the_name_is_the_same_after_unplugging_and_gone_meanwhile() -> None:
    tnc = PtyTnc()
    tnc.plug()
    name = tnc.path
    try:
        for round_ in range(5):
            with serial.Serial(name, timeout=1) as port:
                tnc.write(bytes([round_]))
                assert port.read(1) == bytes([round_])
            tnc.unplug()
            assert not os.path.exists(name)
            assert tnc.write(b"x") == 0
            tnc.plug()
            assert tnc.path == name
    finally:
        tnc.close()
    assert not os.path.exists(name)


def test_a_reader_that_sleeps_costs_octets_not_time() -> None:
    tnc = PtyTnc()
    tnc.plug()
    try:
        with serial.Serial(tnc.path, timeout=1):
            for _ in range(200):
                tnc.write(bytes(1000))
        assert tnc.unheard > 100_000
    finally:
        tnc.close()


def test_a_link_of_the_operators_choice_is_made_and_taken_away(tmp_path: Path) -> None:
    link = tmp_path / "ttyTNC"
    link.symlink_to("/nonexistent")  # what a killed predecessor left
    tnc = PtyTnc(link)
    tnc.plug()
    assert tnc.path == str(link)
    with serial.Serial(str(link), timeout=1) as port:
        tnc.write(b"x")
        assert port.read(1) == b"x"
    tnc.close()
    assert not link.is_symlink()


def test_a_file_in_the_way_of_the_link_is_not_taken_away(tmp_path: Path) -> None:
    link = tmp_path / "precious.txt"
    link.write_text("mine")
    tnc = PtyTnc(link)
    with pytest.raises(FileExistsError):
        tnc.plug()
    tnc.close()
    assert link.read_text() == "mine"
