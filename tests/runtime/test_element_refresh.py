"""Elements asked from a server that answers well, badly, and not at all: only what is believed is kept."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from aiohttp import web

from agent.orbit.checks import Identity
from agent.orbit.elements import MeanElements, read_elements
from agent.orbit.omm import write_csv
from agent.runtime.element_refresh import ElementRefresh, kept_file, permitted
from tests.orbit.sets import AUGUST_23_UTC_NS, DAY_NS, circular
from tests.runtime.test_passes import watch

NOW_UTC_NS = AUGUST_23_UTC_NS + 3 * DAY_NS
OLD = circular()
NEW = replace(OLD, epoch_utc_ns=OLD.epoch_utc_ns + 2 * DAY_NS)
# Half a turn of the node in two days: no manoeuvre does that.
SWAPPED = replace(NEW, raan_deg=NEW.raan_deg + 180.0)
OTHER = circular(norad=90009)
IDENTITIES = {90001: Identity(90001, ("TEST 90001",), "2026-001A")}


@dataclass
class Server:
    """Answers with what a test puts there, and remembers what it was asked."""

    body: bytes = b""
    status: int = 200
    etag: str = ""
    location: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        headers = {"ETag": self.etag, "Last-Modified": "Sat, 22 Aug 2026 00:00:00 GMT"} if self.etag else {}
        if self.location:
            return web.Response(status=302, headers={"Location": self.location})
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304)
        return web.Response(body=self.body, status=self.status, headers=headers)


async def serve(server: Server, tls: SSLContext | None = None) -> web.AppRunner:
    application = web.Application()
    application.router.add_get("/{name}", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/gp.csv"
    return runner


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = await serve(server)
    yield server
    await runner.cleanup()


def refresh(server: Server, folder: Path, *, max_octets: int = 100_000, now_ns: int = NOW_UTC_NS) -> ElementRefresh:
    return ElementRefresh(
        [server.url], folder, IDENTITIES, refresh_h=8.0, now_ns=lambda: now_ns, max_octets=max_octets
    )


def kept(server: Server, folder: Path) -> list[MeanElements]:
    file = kept_file(folder, server.url)
    if not file.exists():
        return []
    return [replace(s, source="") for s in read_elements(file.read_text(), source="").sets]


async def answered(server: Server, folder: Path, body: bytes | str) -> tuple[str, ...]:
    server.body = body.encode() if isinstance(body, str) else body
    return await refresh(server, folder).ask_all()


async def test_a_good_reply_is_kept_and_only_this_stations_satellites(server: Server, tmp_path: Path) -> None:
    assert await answered(server, tmp_path, write_csv([OLD, OTHER])) == ("new",)
    assert kept(server, tmp_path) == [OLD]
    assert server.asked[0]["User-Agent"].startswith("gsagent/")


async def test_what_is_kept_serves_a_start_without_a_network(server: Server, tmp_path: Path) -> None:
    await answered(server, tmp_path, write_csv([OLD, NEW]))
    alone = watch([], kept=refresh(server, tmp_path).files)
    alone._predict(NOW_UTC_NS)
    assert alone.sky.elements["testsat"].epoch_utc_ns == NEW.epoch_utc_ns
    assert alone.sky.passes


async def test_newer_sets_are_added_to_the_history(server: Server, tmp_path: Path) -> None:
    await answered(server, tmp_path, write_csv([OLD]))
    assert await answered(server, tmp_path, write_csv([NEW])) == ("new",)
    assert kept(server, tmp_path) == [OLD, NEW]


async def test_the_history_is_bounded(server: Server, tmp_path: Path) -> None:
    sets = [replace(OLD, epoch_utc_ns=OLD.epoch_utc_ns + hour * DAY_NS // 24) for hour in range(30)]
    await answered(server, tmp_path, write_csv(sets))
    assert kept(server, tmp_path) == sets[-12:]


async def test_a_reply_known_already_is_not_sent_again_even_after_a_restart(server: Server, tmp_path: Path) -> None:
    server.etag = '"one"'
    assert await answered(server, tmp_path, write_csv([OLD])) == ("new",)
    assert await answered(server, tmp_path, write_csv([NEW])) == ("unchanged",)
    assert server.asked[1]["If-None-Match"] == '"one"'
    assert server.asked[1]["If-Modified-Since"] == "Sat, 22 Aug 2026 00:00:00 GMT"
    assert kept(server, tmp_path) == [OLD]


async def test_without_the_kept_file_the_whole_reply_is_asked_for(server: Server, tmp_path: Path) -> None:
    server.etag = '"one"'
    await answered(server, tmp_path, write_csv([OLD]))
    kept_file(tmp_path, server.url).unlink()
    assert await answered(server, tmp_path, write_csv([OLD])) == ("new",)
    assert "If-None-Match" not in server.asked[1]


@pytest.mark.parametrize("status", [403, 404, 500, 503])
async def test_an_error_of_the_server_leaves_the_old_sets(server: Server, tmp_path: Path, status: int) -> None:
    await answered(server, tmp_path, write_csv([OLD]))
    server.status = status
    assert await answered(server, tmp_path, write_csv([NEW])) == ("refused",)
    assert kept(server, tmp_path) == [OLD]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe" * 500,
        b"<html><body>sign in to the network</body></html>",
        b"[1, 2",
        b"No GP data found",
    ],
)
async def test_garbage_leaves_the_old_sets(server: Server, tmp_path: Path, body: bytes) -> None:
    await answered(server, tmp_path, write_csv([OLD]))
    before = kept_file(tmp_path, server.url).read_bytes()
    assert await answered(server, tmp_path, body) == ("refused",)
    assert kept_file(tmp_path, server.url).read_bytes() == before


async def test_a_reply_that_does_not_end_is_cut_off(server: Server, tmp_path: Path) -> None:
    assert await answered(server, tmp_path, write_csv([OLD]) + "#" * 200_000) == ("refused",)
    assert kept(server, tmp_path) == []


@pytest.mark.parametrize(
    ("doubtful", "why"),
    [
        (SWAPPED, "another object's set"),
        (replace(NEW, cospar="2025-009B"), "launch designator"),
        (replace(NEW, epoch_utc_ns=NOW_UTC_NS + 30 * DAY_NS), "days in the future"),
        (OTHER, "none of its 1 sets is of a satellite of this station"),
    ],
)
async def test_a_set_that_is_not_believed_leaves_the_old_one(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, doubtful: MeanElements, why: str
) -> None:
    await answered(server, tmp_path, write_csv([OLD]))
    with caplog.at_level(logging.WARNING, "agent.elements"):
        assert await answered(server, tmp_path, write_csv([doubtful])) == ("refused",)
    assert kept(server, tmp_path) == [OLD]
    assert len(caplog.records) == 1
    assert why in caplog.text


async def test_an_older_set_never_takes_the_place_of_a_newer(server: Server, tmp_path: Path) -> None:
    await answered(server, tmp_path, write_csv([NEW]))
    await answered(server, tmp_path, write_csv([OLD]))
    assert kept(server, tmp_path)[-1] == NEW


async def test_the_same_failure_is_told_once(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 500
    asking = refresh(server, tmp_path)
    with caplog.at_level(logging.WARNING, "agent.elements"):
        assert [await asking.ask_all() for _ in range(3)] == [("refused",)] * 3
    assert len(caplog.records) == 1


async def test_a_server_that_is_away_is_a_failure_and_no_crash(tmp_path: Path) -> None:
    server = Server()
    runner = await serve(server)
    await runner.cleanup()
    assert await refresh(server, tmp_path).ask_all() == ("failed",)


async def test_a_redirection_into_the_clear_is_not_followed(server: Server, tmp_path: Path) -> None:
    server.location = "http://elements.example/gp.csv"
    assert await answered(server, tmp_path, write_csv([OLD])) == ("refused",)
    assert len(server.asked) == 1


async def test_redirections_end(server: Server, tmp_path: Path) -> None:
    server.location = "/elsewhere"
    assert await answered(server, tmp_path, write_csv([OLD])) == ("refused",)
    assert len(server.asked) == 4


async def test_after_a_success_nothing_is_asked_before_the_interval_and_after_a_restart_neither(
    server: Server, tmp_path: Path
) -> None:
    await answered(server, tmp_path, write_csv([OLD]))
    hour_ns = DAY_NS // 24
    due_ns = refresh(server, tmp_path, now_ns=NOW_UTC_NS + hour_ns)._addresses[0].due_utc_ns
    assert due_ns == NOW_UTC_NS + 8 * hour_ns
    # A clock that was put back must not silence the address.
    earlier_ns = NOW_UTC_NS - 100 * DAY_NS
    assert refresh(server, tmp_path, now_ns=earlier_ns)._addresses[0].due_utc_ns == earlier_ns


async def test_failures_are_waited_out_ever_longer(server: Server, tmp_path: Path) -> None:
    server.status = 503
    asking = refresh(server, tmp_path)
    waits_s = []
    for _ in range(8):
        await asking.ask_all()
        waits_s.append((asking._addresses[0].due_utc_ns - NOW_UTC_NS) / 1e9)
    for wait_s, least_s in zip(waits_s, [600, 1200, 2400, 4800, 9600, 19_200, 28_800, 28_800], strict=True):
        assert least_s <= wait_s <= 1.1 * least_s


@pytest.fixture
def unknown_authority(tmp_path: Path) -> SSLContext:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate to refuse")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path, unknown_authority: SSLContext) -> None:
    server = Server(write_csv([OLD]).encode())
    runner = await serve(server, unknown_authority)
    assert await refresh(server, tmp_path).ask_all() == ("failed",)
    assert server.asked == []
    await runner.cleanup()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://elements.example/gp", True),
        ("http://127.0.0.1:8080/gp", True),
        ("http://[::1]/gp", True),
        ("http://elements.example/gp", False),
        ("http://localhost.example/gp", False),
        ("ftp://elements.example/gp", False),
        ("file:///etc/passwd", False),
    ],
)
def test_only_tls_or_this_machine_is_asked(url: str, expected: bool) -> None:
    assert permitted(url) is expected
