"""The consumer library: exactly one effect for each record, whatever comes twice, late or not at all."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sinks.archive import Archive
from agent.sinks.consumer import Consumer, Delivery
from agent.sinks.embedded_broker import EmbeddedBroker
from agent.sinks.publisher import Publisher
from tests.sinks.listening import broker, running, until
from tests.sinks.samples import REPORT, frame


def keep(store: sqlite3.Connection, delivery: Delivery) -> None:
    """The effect under test: a row for each record, twice if it is done twice."""
    store.execute("CREATE TABLE IF NOT EXISTS kept (archive TEXT, seq INTEGER, topic TEXT)")
    store.execute("INSERT INTO kept VALUES (?, ?, ?)", (delivery.archive, delivery.seq, delivery.topic))


def kept(database: Path) -> list[tuple[str, int]]:
    store = sqlite3.connect(database)
    try:
        found = store.execute("SELECT archive, seq FROM kept ORDER BY archive, seq").fetchall()
    except sqlite3.OperationalError:
        found = []
    store.close()
    return found


def delivery(seq: int, prev: int | None, archive: str = "a") -> Delivery:
    values = {"archive": archive, "seq": seq, "ts": 1} | ({} if prev is None else {"prev": prev})
    return Delivery("gs/here/sat/link/frame", values, archive, seq)


@given(
    gaps=st.lists(st.integers(1, 5), min_size=1, max_size=30),
    order=st.randoms(use_true_random=False),
    copies=st.integers(1, 3),
)
def test_in_any_order_with_any_copies_each_effect_is_done_once_and_the_chain_is_whole(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], order: random.Random, copies: int
) -> None:
    seqs = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    deliveries = [delivery(seq, prev) for seq, prev in zip(seqs, [0, *seqs], strict=False)] * copies
    deliveries += [delivery(seq, None) for seq in seqs[::3]]
    order.shuffle(deliveries)
    consumer = Consumer("ops", "here", tmp_path_factory.mktemp("consumer") / "c.sqlite", keep)
    chains: dict[str, int] = {}
    found: set[str] = set()
    for start in range(0, len(deliveries), 4):
        chains, found = consumer.take(deliveries[start : start + 4])
    assert chains == {"a": seqs[-1]}
    assert not found
    consumer.close()
    assert [seq for _, seq in kept(consumer._database)] == seqs


def test_a_gap_is_seen_and_the_chain_stops_before_it(tmp_path: Path) -> None:
    consumer = Consumer("ops", "here", tmp_path / "c.sqlite", keep)
    chains, gaps = consumer.take([delivery(1, 0), delivery(2, 1), delivery(4, 3)])
    assert (chains, gaps) == ({"a": 2}, {"a"})
    chains, gaps = consumer.take([delivery(3, 2)])
    assert (chains, gaps) == ({"a": 4}, set())
    consumer.close()


def test_an_effect_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    def fail(store: sqlite3.Connection, delivery: Delivery) -> None:
        keep(store, delivery)
        if delivery.seq == 2:
            raise RuntimeError("disk of the consumer is full")

    consumer = Consumer("ops", "here", tmp_path / "c.sqlite", fail)
    with pytest.raises(RuntimeError):
        consumer.take([delivery(1, 0), delivery(2, 1)])
    consumer.close()
    assert kept(tmp_path / "c.sqlite") == []


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with EmbeddedBroker() as embedded:
        yield embedded.port


async def test_two_consumers_hold_the_cursor_until_both_have_everything(port: int, tmp_path: Path) -> None:
    async with Archive(tmp_path / "archive", "here", commit_interval_s=0.01) as archive:
        unit = Publisher(broker(port, consumers=("lab", "ops")), "here", archive, boot="b", version="0")
        lab = Consumer("lab", "here", tmp_path / "lab.sqlite", keep, port=port)
        ops = Consumer("ops", "here", tmp_path / "ops.sqlite", keep, port=port)
        assert unit.delivery == "at_least_once_to_consumers"
        async with running(unit.run()):
            await archive.write([frame(number) for number in range(10)])
            async with running(lab.run()):
                await until(lambda: archive.cursor("local/lab") == 10)
                assert archive.cursor("local") == 0
                async with running(ops.run()):
                    await until(lambda: archive.cursor("local") == 10)
    assert [seq for _, seq in kept(tmp_path / "lab.sqlite")] == list(range(1, 11))
    assert [seq for _, seq in kept(tmp_path / "ops.sqlite")] == list(range(1, 11))


async def test_a_consumer_that_was_away_gets_what_it_missed_after_its_return(port: int, tmp_path: Path) -> None:
    async with Archive(tmp_path / "archive", "here", commit_interval_s=0.01) as archive:
        unit = Publisher(broker(port, consumers=("ops",)), "here", archive, boot="b", version="0")
        async with running(unit.run()):
            async with running(Consumer("ops", "here", tmp_path / "c.sqlite", keep, port=port).run()):
                await archive.write([frame(1), REPORT])
                await until(lambda: archive.cursor("local") == 2)
            await archive.write([frame(number) for number in range(2, 50)])
            async with running(Consumer("ops", "here", tmp_path / "c.sqlite", keep, port=port).run()):
                await until(lambda: archive.cursor("local") == 50, timeout_s=20)
    assert [seq for _, seq in kept(tmp_path / "c.sqlite")] == list(range(1, 51))


async def test_a_consumer_that_lost_its_store_gets_everything_again(port: int, tmp_path: Path) -> None:
    async with Archive(tmp_path / "archive", "here", commit_interval_s=0.01) as archive:
        unit = Publisher(broker(port, consumers=("ops",)), "here", archive, boot="b", version="0")
        async with running(unit.run()):
            async with running(Consumer("ops", "here", tmp_path / "c.sqlite", keep, port=port).run()):
                await archive.write([frame(number) for number in range(30)])
                await until(lambda: archive.cursor("local") == 30)
            new = Consumer("ops", "here", tmp_path / "new.sqlite", keep, port=port)
            async with running(new.run()):
                await archive.write([frame(30)])
                await until(lambda: len(kept(tmp_path / "new.sqlite")) == 31)
                await until(lambda: archive.cursor("local") == 31)


async def test_a_replaced_card_is_a_new_archive_and_nothing_of_either_is_lost(port: int, tmp_path: Path) -> None:
    ids = []
    async with running(Consumer("ops", "here", tmp_path / "c.sqlite", keep, port=port).run()):
        for card in ("old", "new"):
            async with Archive(tmp_path / card, "here", commit_interval_s=0.01) as archive:
                ids.append(archive.archive_id)
                unit = Publisher(broker(port, consumers=("ops",)), "here", archive, boot="b", version="0")
                async with running(unit.run()):
                    await archive.write([frame(number) for number in range(5)])
                    await until(lambda: archive.cursor("local") == 5)
    assert kept(tmp_path / "c.sqlite") == sorted((archive, seq) for archive in ids for seq in range(1, 6))


async def test_a_filtered_destination_is_acknowledged_to_its_end(port: int, tmp_path: Path) -> None:
    async with Archive(tmp_path / "archive", "here", commit_interval_s=0.01) as archive:
        unit = Publisher(
            broker(port, consumers=("ops",), satellites=("link",)), "here", archive, boot="b", version="0"
        )
        ops = Consumer("ops", "here", tmp_path / "c.sqlite", keep, port=port)
        async with running(unit.run()), running(ops.run()):
            await archive.write([frame(n, satellite="link" if n % 3 == 0 else "other") for n in range(1, 31)])
            await until(lambda: archive.cursor("local") == 30)
            assert ops.missing == 0
    assert [seq for _, seq in kept(tmp_path / "c.sqlite")] == list(range(3, 31, 3))


async def test_hostile_acknowledgements_change_nothing(port: int, tmp_path: Path) -> None:
    import aiomqtt

    async with Archive(tmp_path / "archive", "here", commit_interval_s=0.01) as archive, AsyncExitStack() as stack:
        unit = Publisher(broker(port, consumers=("ops",)), "here", archive, boot="b", version="0")
        await stack.enter_async_context(running(unit.run()))
        await archive.write([frame(number) for number in range(5)])
        await until(lambda: unit.counters["published"] == 5)
        good = f'"archive":"{archive.archive_id}"'
        hostile = [
            b"", b"\x00" * 5000, b"[]", b'"5"', b"null", b'{"archive":"x","seq":5}',
            f"{{{good}}}".encode(), f'{{{good},"seq":-1}}'.encode(), f'{{{good},"seq":"5"}}'.encode(),
            f'{{{good},"seq":5.5}}'.encode(), f'{{{good},"seq":1e300}}'.encode(), f'{{{good},"seq":6}}'.encode(),
            f'{{{good},"seq":{10**18}}}'.encode(), f'{{{good},"seq":{10**40}}}'.encode(),
        ]  # fmt: skip
        async with aiomqtt.Client("127.0.0.1", port) as client:
            for payload in hostile:
                await client.publish("gs/here/ack/ops", payload, qos=1)
            await client.publish("gs/here/ack/mallory", f'{{{good},"seq":5}}'.encode(), qos=1)
            await until(lambda: unit.counters["refused_acks"] == len(hostile))
            assert archive.cursor("local") == 0
            await client.publish("gs/here/ack/ops", f'{{{good},"seq":5}}'.encode(), qos=1)
            await until(lambda: archive.cursor("local") == 5)
            await asyncio.sleep(0)
