"""The dashboard's server: its files, its headers, and the bridge between pages and the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import WSMsgType

from agent.dashboard import bridge
from agent.dashboard.server import Dashboard
from agent.errors import AgentError

MIB = 1024 * 1024
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def dashboard(broker_port: int = 1, **options: object) -> AsyncIterator[Dashboard]:
    async with Dashboard(
        0, lambda: {"station": "here", "cpu_temp_c": None}, broker_port=broker_port, **options
    ) as it:  # type: ignore[arg-type] # options of the test
        yield it


@asynccontextmanager
async def broker(serve: Serve) -> AsyncIterator[int]:
    """A TCP server that stands for a broker; gives its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(65536):
        writer.write(octets)
        await writer.drain()


def page_of(
    session: aiohttp.ClientSession, served: Dashboard, **headers: str
) -> Awaitable[aiohttp.ClientWebSocketResponse]:
    return session.ws_connect(f"{served.address}mqtt", protocols=("mqtt",), headers=headers, max_msg_size=0)


# -- files ---------------------------------------------------------------------------------------------------


async def test_page_is_served_with_a_policy_that_lets_nothing_in_from_elsewhere() -> None:
    async with dashboard() as served, aiohttp.ClientSession() as session, session.get(served.address) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        assert "main.js" in await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_unchanged_file_is_not_sent_again() -> None:
    async with dashboard() as served, aiohttp.ClientSession() as session:
        async with session.get(f"{served.address}main.js") as first:
            assert first.headers["Cache-Control"] == "no-cache"
            tag = first.headers["ETag"]
        async with session.get(f"{served.address}main.js", headers={"If-None-Match": tag}) as second:
            assert second.status == 304
            assert await second.read() == b""
        async with session.get(f"{served.address}main.js", headers={"If-None-Match": '"another"'}) as third:
            assert third.status == 200


async def test_vendored_file_may_be_kept_for_ever_and_travels_compressed() -> None:
    async with dashboard() as served, aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(f"{served.address}vendor/mqtt-5.16.0/mqtt.esm.js") as answer:
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["Content-Encoding"] == "gzip"
            small = len(await answer.read())
        plain = {"Accept-Encoding": "identity"}
        async with session.get(f"{served.address}vendor/mqtt-5.16.0/mqtt.esm.js", headers=plain) as answer:
            assert "Content-Encoding" not in answer.headers
            assert len(await answer.read()) > 2 * small


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "/vendor/../../server.py",
        "/..%2fserver.py",
        "//etc/passwd",
        "/nothing.js",
    ],
)
async def test_no_path_leads_out_of_the_folder(path: str) -> None:
    async with dashboard() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]


async def test_settings_name_every_tile_there_is() -> None:
    async with (
        dashboard(topic_prefix="ops/gs") as served,
        aiohttp.ClientSession() as session,
        session.get(f"{served.address}dashboard.json") as answer,
    ):
        told = await answer.json()
    assert told["topic_prefix"] == "ops/gs"
    assert set(told["tiles"]) == {"fleet", "satellite", "sky", "radio", "station"}
    assert "satellites.js" in told["tiles"]["fleet"]


async def test_status_is_the_stations_own_word() -> None:
    async with (
        dashboard() as served,
        aiohttp.ClientSession() as session,
        session.get(f"{served.address}status.json") as answer,
    ):
        assert await answer.json() == {"station": "here", "cpu_temp_c": None}
        assert answer.headers["Cache-Control"] == "no-store"


async def test_taken_port_is_said_with_the_mend() -> None:
    async with dashboard() as served:
        with pytest.raises(AgentError, match="choose another --http-port"):
            async with Dashboard(served.port, dict):
                pass


async def test_server_on_loopback_answers_to_loopbacks_names_only() -> None:
    async with dashboard() as served, aiohttp.ClientSession() as session:
        async with session.get(served.address, headers={"Host": f"evil.example:{served.port}"}) as answer:
            assert answer.status == 421
        async with session.get(served.address, headers={"Host": f"localhost:{served.port}"}) as answer:
            assert answer.status == 200
    async with (
        dashboard(allowed_hosts=frozenset({"ops.example"})) as served,
        aiohttp.ClientSession() as session,
        session.get(served.address, headers={"Host": "ops.example"}) as answer,
    ):
        assert answer.status == 200


# -- the bridge ------------------------------------------------------------------------------------------------


async def test_octets_pass_both_ways_unchanged() -> None:
    sent = [bytes([n % 256]) * (n * 37) for n in range(1, 60)]
    async with (
        broker(echo) as port,
        dashboard(port) as served,
        aiohttp.ClientSession() as session,
        page_of(session, served) as page,
    ):
        assert page.protocol == "mqtt"
        for octets in sent:
            await page.send_bytes(octets)
        heard = b""
        while len(heard) < sum(map(len, sent)):
            heard += await asyncio.wait_for(page.receive_bytes(), 5)
    assert heard == b"".join(sent)


async def test_page_from_elsewhere_may_not_use_the_bridge() -> None:
    async with broker(echo) as port, dashboard(port) as served, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await page_of(session, served, Origin="http://evil.example")
        assert refused.value.status == 403
        async with page_of(session, served, Origin=served.address.rstrip("/")) as page:
            await page.send_bytes(b"own")
            assert await page.receive_bytes() == b"own"


async def test_websocket_that_does_not_speak_mqtt_is_refused() -> None:
    async with dashboard() as served, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{served.address}mqtt", protocols=("chat",))
        assert refused.value.status == 400


async def test_page_is_told_that_the_broker_cannot_be_reached() -> None:
    async with (
        dashboard(broker_port=1) as served,
        aiohttp.ClientSession() as session,
        page_of(session, served) as page,
    ):
        message = await asyncio.wait_for(page.receive(), 5)
    assert message.type is WSMsgType.CLOSE
    assert message.data == 1013
    assert message.extra == "the broker cannot be reached"


async def test_page_is_told_that_the_broker_went() -> None:
    async def goes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"last words")
        await reader.read(1)

    async with (
        broker(goes) as port,
        dashboard(port) as served,
        aiohttp.ClientSession() as session,
        page_of(session, served) as page,
    ):
        assert await page.receive_bytes() == b"last words"
        await page.send_bytes(b"x")
        message = await asyncio.wait_for(page.receive(), 5)
    assert (message.type, message.data) == (WSMsgType.CLOSE, 1013)


async def test_broker_is_left_when_the_page_goes() -> None:
    gone = asyncio.Event()

    async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass
        gone.set()

    async with broker(waits) as port, dashboard(port) as served, aiohttp.ClientSession() as session:
        async with page_of(session, served) as page:
            await page.send_bytes(b"hello")
        await asyncio.wait_for(gone.wait(), 5)


async def test_page_that_does_not_read_makes_the_broker_wait_instead_of_filling_memory() -> None:
    taken = 0
    stuck = asyncio.Event()

    async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        while taken < 256 * MIB:
            writer.write(bytes(65536))
            try:
                await asyncio.wait_for(writer.drain(), 1.0)
            except TimeoutError:
                break
            taken += 65536
        stuck.set()

    async with broker(pours) as port, dashboard(port) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            f"GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: mqtt\r\n\r\n".encode()
        )
        assert await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait_for(stuck.wait(), 20)
        writer.transport.abort()
    assert taken < 32 * MIB  # what the kernel's socket buffers hold, and no more


async def test_pages_are_counted_and_told_when_the_agent_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MAX_PAGES", 2)
    async with broker(echo) as port, aiohttp.ClientSession() as session:
        async with dashboard(port) as served:
            first = await page_of(session, served)
            second = await page_of(session, served)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await page_of(session, served)
            assert refused.value.status == 503
            telling = asyncio.gather(first.receive(), second.receive())
            await asyncio.sleep(0)
        codes = [message.data for message in await asyncio.wait_for(telling, 5)]
    assert codes == [1001, 1001]
