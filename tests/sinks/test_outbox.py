"""One destination's place: delivery is contiguous, claims are bounded, a lost store is served again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.sinks.outbox import UNACKNOWLEDGED, Outbox


def send(outbox: Outbox, *seqs: int) -> list[int]:
    return [outbox.hand_out(seq) for seq in seqs]


def test_delivery_is_contiguous_when_confirmations_come_out_of_order() -> None:
    outbox = Outbox(0, 0, {})
    assert send(outbox, 1, 2, 3) == [0, 1, 2]
    outbox.confirm(2, 0)
    outbox.confirm(3, 0)
    assert outbox.delivered == 0
    outbox.confirm(1, 0)
    assert outbox.delivered == 3
    assert outbox.in_flight == 0


def test_what_is_left_out_is_passed_over_and_never_a_prev() -> None:
    outbox = Outbox(0, 0, {})
    outbox.leave_out(1)
    assert outbox.delivered == 1
    assert send(outbox, 2) == [0]
    outbox.leave_out(3)
    outbox.leave_out(4)
    assert send(outbox, 5) == [2]
    outbox.confirm(2, 0)
    assert (outbox.delivered, outbox.delivered_prev) == (4, 2)
    outbox.begin_again()
    assert outbox.handed_out == 4
    assert send(outbox, 5) == [2]


def test_confirmations_of_an_earlier_connection_count_for_nothing() -> None:
    outbox = Outbox(0, 0, {})
    send(outbox, 1)
    outbox.begin_again()
    outbox.confirm(1, 0)
    assert outbox.delivered == 0
    assert outbox.in_flight == 0


def test_delivery_is_what_the_slowest_consumer_has() -> None:
    outbox = Outbox(0, 0, {"ops": 0, "lab": 0})
    send(outbox, 1, 2, 3)
    for seq in (1, 2, 3):
        outbox.confirm(seq, 0)
    assert outbox.delivered == 0
    assert outbox.acknowledge("ops", 3, newest=3)
    assert outbox.delivered == 0
    assert outbox.acknowledge("lab", 2, newest=3)
    assert outbox.delivered == 2


def test_a_claim_beyond_the_archive_or_of_a_stranger_is_refused() -> None:
    outbox = Outbox(0, 0, {"ops": 0})
    send(outbox, 1)
    outbox.confirm(1, 0)
    assert not outbox.acknowledge("ops", 10**15, newest=1)
    assert not outbox.acknowledge("ops", -1, newest=1)
    assert not outbox.acknowledge("mallory", 1, newest=1)
    assert outbox.delivered == 0


def test_an_old_claim_is_old_news_unless_the_consumer_lost_its_store() -> None:
    outbox = Outbox(5, 5, {"ops": 5})
    assert outbox.acknowledge("ops", 2, newest=9)
    assert (outbox.delivered, outbox.generation) == (5, 0)
    assert outbox.acknowledge("ops", 2, newest=9, rewind=True)
    assert (outbox.delivered, outbox.handed_out, outbox.generation) == (2, 2, 1)
    assert send(outbox, 3) == [2]


def test_a_newly_named_consumer_is_served_from_the_beginning() -> None:
    outbox = Outbox(500, 500, {"ops": 500, "lab": 0})
    assert outbox.handed_out == 0


def test_no_more_is_ever_ahead_of_a_consumer_than_a_broker_queues() -> None:
    outbox = Outbox(0, 0, {"ops": 0})
    seq = 0
    while outbox.may_send:
        seq += 1
        outbox.hand_out(seq)
        outbox.confirm(seq, 0)
    assert seq == UNACKNOWLEDGED < 1000
    outbox.acknowledge("ops", 10, newest=seq)
    assert outbox.may_send


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "skip", "confirm", "ack", "again", "rewind"]), st.integers(0, 40)),
        max_size=80,
    ),
    st.booleans(),
)
def test_nothing_counts_as_delivered_that_is_not(steps: list[tuple[str, int]], end_to_end: bool) -> None:
    outbox = Outbox(0, 0, {"ops": 0} if end_to_end else {})
    confirmed: set[int] = set()
    sent: set[int] = set()
    claimed = 0
    for step, number in steps:
        following = outbox.handed_out + 1
        match step:
            case "send":
                if outbox.may_send:
                    assert outbox.hand_out(following) < following
                    sent.add(following)
            case "skip" if following not in sent:
                outbox.leave_out(following)
            case "confirm" if number in sent:
                outbox.confirm(number, outbox.generation)
                confirmed.add(number)
            case "ack":
                if outbox.acknowledge("ops", number, newest=40):
                    claimed = max(claimed, number)
            case "rewind":
                if outbox.acknowledge("ops", number, newest=40, rewind=True):
                    claimed = number if number < claimed else claimed
            case "again":
                outbox.begin_again()
        assert outbox.delivered <= outbox.handed_out
        assert outbox.delivered_prev <= outbox.delivered
        if not end_to_end:
            assert all(seq in confirmed for seq in sent if seq <= outbox.delivered)
