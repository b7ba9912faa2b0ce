"""The ledger of a trial: what is balanced, what is faulty, and which alarm belongs to which fault."""

from __future__ import annotations

import pytest

from agent.simulator.fault import Fault
from agent.simulator.ledger import Books, SentFrame, Transition, balance

LOST = "station/source_tnc_lost"
UNPLUG = Fault(kind="tnc_unplug", target="tnc", at_s=10, for_s=5, alarms=(LOST,), within_s=4)


def sent(*times_s: float) -> list[SentFrame]:
    return [SentFrame(at_s, "demosat/9k6-fsk", b"%d" % round(at_s * 10)) for at_s in times_s]


@pytest.fixture
def books() -> Books:
    """A play of 30 s, a frame each second; what was sent while the port was gone is lost."""
    all_sent = sent(*range(30))
    kept = [frame.data for frame in all_sent if not 10 <= frame.at_s < 16]
    return Books(
        30.0,
        [UNPLUG],
        sent=all_sent,
        archived=list(kept),
        published={"observer": list(kept), "ops": list(kept)},
        transitions=[Transition(10.4, LOST, "triggered", "warning"), Transition(16.0, LOST, "returned_to_normal")],
    )


def test_a_play_as_it_should_be_is_good_and_the_alarm_has_its_latency(books: Books) -> None:
    ledger = balance(books)
    assert ledger.good, ledger.faulty
    (alarm,) = ledger.alarms
    assert (alarm.verdict, alarm.fault) == ("as expected", "tnc_unplug")
    assert alarm.latency_s == pytest.approx(0.4)
    assert alarm.over_s == 16.0
    (fault,) = ledger.faults
    assert (fault.sent, fault.archived) == (5, 0)


def test_a_frame_of_clean_air_that_is_lost_is_faulty(books: Books) -> None:
    books.archived.remove(b"50")
    assert "1 of " in balance(books).faulty[0]


def test_what_a_fault_costs_while_it_lasts_and_until_recovery_is_not(books: Books) -> None:
    assert balance(books).clean_sent == len([t for t in range(30) if not 9.25 <= t <= 17 and t <= 29.25])


def test_a_frame_archived_twice_or_never_sent_is_faulty(books: Books) -> None:
    books.archived += [b"50", b"nobody sent this"]
    ledger = balance(books)
    assert (ledger.twice, ledger.never_sent) == (1, 1)
    assert any("more often" in words for words in ledger.faulty)
    assert any("nobody sent" in words for words in ledger.faulty)


def test_a_fault_that_spoils_octets_may_give_frames_nobody_sent(books: Books) -> None:
    books.archived.append(b"garbled")
    books.published = {name: [*frames, b"garbled"] for name, frames in books.published.items()}
    books.faults = [UNPLUG, Fault(kind="tnc_garble", target="tnc", at_s=20, for_s=1)]
    assert balance(books).good


def test_a_destination_that_did_not_get_everything_is_faulty(books: Books) -> None:
    books.published["ops"].pop()
    assert balance(books).faulty == ("1 archived frames did not reach ops",)


def test_an_expected_alarm_that_does_not_rise_is_missing(books: Books) -> None:
    books.transitions = []
    ledger = balance(books)
    assert [alarm.verdict for alarm in ledger.alarms] == ["missing"]
    assert "not raised" in ledger.faulty[0]


@pytest.mark.parametrize("at_s", [9.0, 14.5])
def test_an_alarm_outside_its_time_is_missing_and_not_expected(books: Books, at_s: float) -> None:
    books.transitions = [Transition(at_s, LOST, "triggered")]
    assert sorted(alarm.verdict for alarm in balance(books).alarms) == ["missing", "not expected"]


def test_an_alarm_that_no_fault_expects_is_faulty(books: Books) -> None:
    books.transitions.append(Transition(12.0, "demosat/authenticity", "triggered", "warning", "two trains"))
    ledger = balance(books)
    assert not ledger.good
    assert "no fault expects it (two trains)" in ledger.faulty[0]


def test_one_rise_answers_one_fault_only(books: Books) -> None:
    books.faults = [UNPLUG, Fault(kind="tnc_stall", target="tnc", at_s=11, for_s=5, alarms=(LOST,))]
    assert sorted(alarm.verdict for alarm in balance(books).alarms) == ["as expected", "missing"]


def test_the_same_alarm_can_rise_again_after_it_was_over(books: Books) -> None:
    again = Fault(kind="tnc_unplug", target="tnc", at_s=20, for_s=2, alarms=(LOST,))
    books.faults = [UNPLUG, again]
    books.transitions.append(Transition(20.3, LOST, "triggered"))
    books.sent = [frame for frame in books.sent if frame.at_s < 19]
    assert [alarm.verdict for alarm in balance(books).alarms] == ["as expected", "as expected"]


def test_what_the_play_itself_raises_is_expected_once_at_least(books: Books) -> None:
    books.allowed = ("demosat/battery_voltage",)
    assert "expected of the play itself" in balance(books).faulty[0]
    books.transitions.append(Transition(5.0, "demosat/battery_voltage", "triggered"))
    assert balance(books).good


def test_the_silence_after_the_end_raises_nothing_that_counts(books: Books) -> None:
    books.transitions.append(Transition(39.0, "demosat/housekeeping_stale", "triggered"))
    assert balance(books).good


def test_the_ledger_as_json_has_every_verdict(books: Books) -> None:
    plain = balance(books).as_dict()
    assert plain["verdict"] == "good"
    assert plain["alarms"][0]["verdict"] == "as expected"
    assert plain["record"] == "ledger"
