"""The publisher and a broker that asks who it is: passwords, access lists, TLS (catalogue S1, S2).

The access list is the one of docs/mqtt.md.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.definitions import Broker, Tls
from agent.sinks.archive import Archive
from agent.sinks.embedded_broker import find_mosquitto
from agent.sinks.publisher import Publisher
from hil_tests.rigs.mosquitto import Mosquitto, free_port
from tests.sinks.listening import listening, running, until
from tests.sinks.samples import frame

pytestmark = [
    pytest.mark.hil,
    pytest.mark.timeout(90),
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]

DOCUMENT = (Path(__file__).parent.parent / "docs" / "mqtt.md").read_text(encoding="utf-8")
USERS = ("here", "there", "dashboard", "ledger")


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with Archive(tmp_path / "archive", "here", commit_interval_s=0.01, boot="rig") as archive:
        yield archive


async def outcome(archive: Archive, **options: Any) -> Publisher:
    """Run a publisher until it is connected or has said why not."""
    unit = Publisher(Broker(**options), "here", archive, boot="rig", version="0")
    async with running(unit.run()):
        await until(lambda: unit.connected or bool(unit.failure), timeout_s=40)
        unit.was_connected = unit.connected  # type: ignore[attr-defined]  # seen before the farewell
    return unit


# -- access lists ----------------------------------------------------------------------------------------------


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A broker with passwords and the documented access list."""
    (acl,) = re.findall(r"^```conf acl\n(.*?)^```$", DOCUMENT, re.M | re.S)
    (tmp_path / "acl").write_text(acl)
    passwords = tmp_path / "passwords"
    passwords.touch()
    for user in USERS:
        command = ["mosquitto_passwd", "-b", passwords, user, f"secret of {user}"]
        await asyncio.to_thread(subprocess.run, command, check=True)
    async with Mosquitto(
        tmp_path,
        "log_type all",
        "allow_anonymous false",
        f"password_file {passwords}",
        f"acl_file {tmp_path / 'acl'}",
    ) as broker:
        yield broker


def secret(tmp_path: Path, text: str, mode: int = 0o400) -> str:
    path = tmp_path / "password"
    path.write_text(text + "\n")
    path.chmod(mode)
    return str(path)


async def test_with_the_documented_access_list_everything_arrives(
    guarded: Mosquitto, archive: Archive, tmp_path: Path
) -> None:
    broker = Broker(
        port=guarded.port, username="here", password_file=secret(tmp_path, "secret of here"), consumers=("ledger",)
    )
    unit = Publisher(broker, "here", archive, boot="rig", version="0")
    async with (
        running(unit.run()),
        aiomqtt.Client("127.0.0.1", guarded.port, username="ledger", password="secret of ledger") as ledger,
    ):
        await archive.write([frame(1)])
        await until(lambda: unit.counters["published"] == 1)
        ack = f'{{"archive":"{archive.archive_id}","seq":1}}'
        await ledger.publish("gs/here/ack/ledger", ack, qos=1)
        await until(lambda: archive.cursor("local") == 1)
    assert "Denied" not in guarded.log.read_text()


async def test_a_station_of_another_name_is_told_that_its_messages_are_thrown_away(
    guarded: Mosquitto, archive: Archive, tmp_path: Path
) -> None:
    await archive.write([frame(1)])
    unit = await outcome(
        archive, port=guarded.port, username="there", password_file=secret(tmp_path, "secret of there")
    )
    assert "throws them away" in unit.failure
    assert "must let there write gs/here/#" in unit.failure
    assert archive.cursor("local") == 0


async def test_a_wrong_or_absent_password_is_said_so(guarded: Mosquitto, archive: Archive, tmp_path: Path) -> None:
    wrong = await outcome(archive, port=guarded.port, username="here", password_file=secret(tmp_path, "guess"))
    assert "not authorised (mend username and password_file" in wrong.failure
    none = await outcome(archive, port=guarded.port)
    assert "not authorised (set username and password_file" in none.failure
    assert "guess" not in wrong.failure


async def test_a_password_others_may_read_is_refused(guarded: Mosquitto, archive: Archive, tmp_path: Path) -> None:
    path = secret(tmp_path, "secret of here", mode=0o644)
    unit = await outcome(archive, port=guarded.port, username="here", password_file=path)
    assert "may be read by others" in unit.failure
    assert "chmod 400" in unit.failure
    assert "secret of here" not in unit.failure


FORBIDDEN_WRITES = [
    "gs/there/status", "gs/there/sat/link/frame", "gs/there/ack/ledger", "gs/status", "gs", "other/here/status",
    "homeassistant/device/x/config", "$SYS/broker/uptime", "gs/here2/status", "gs/Here/status", "here/status",
    "gs//status", "/gs/here/status", "spBv1.0/g/NBIRTH/here", "gs/ledger/status",
]  # fmt: skip
FORBIDDEN_READS = [
    "gs/there/status", "gs/there/ack/ledger", "other/x", "homeassistant/x", "gs/there/sat/link/frame",
    "gs/here/sat/link/frame", "gs/here/health", "gs/here/cmd/x", "gs/ledger/x", "a", "gs/x", "gs/here2/ack/x",
    "gs/here/ack/x/y", "gs/dashboard/x", "spBv1.0/g/NBIRTH/x",
]  # fmt: skip


async def test_thirty_things_a_stations_account_may_not_do_are_denied(guarded: Mosquitto) -> None:
    def client(user: str, **options: Any) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", guarded.port, username=user, password=f"secret of {user}", **options)

    async with listening(guarded.port, "gs/#", username="dashboard", password="secret of dashboard") as heard:
        for identifier in ("station", "+", "#"):
            async with client("here", identifier=identifier) as station:
                for topic in FORBIDDEN_WRITES:
                    await station.publish(topic, b'"denied?"', qos=1)
        async with client("here", identifier="station") as station:
            await station.publish("gs/here/status", b'"allowed"', qos=1)
            await heard.until(lambda heard: len(heard.messages) > 0)
        assert [topic for topic, _, _ in heard.messages] == ["gs/here/status"]
    async with client("here", identifier="#") as station:
        await station.subscribe("#", qos=1)
        for topic in FORBIDDEN_READS:
            await station.subscribe(topic, qos=1)
        async with client("dashboard") as other:
            for topic in FORBIDDEN_READS:
                await other.publish(topic, b"x", qos=1)
        await asyncio.sleep(0.3)
        assert len(station.messages) == 0


# -- TLS -------------------------------------------------------------------------------------------------------

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


unclosed = pytest.mark.filterwarnings(
    "ignore:unclosed <ssl.SSLSocket", "ignore:Exception ignored in. <ssl.SSLSocket"
)
"""paho drops the socket of a failed handshake without closing it; Python does so a moment later, and says so."""


class Certificates:
    """An authority and what it signs, made with openssl."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.ca = directory / f"{name}.pem"
        self._name = name
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN=test authority {name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )  # fmt: skip

    def sign(self, name: str, *, host: str = "127.0.0.1", days: int = 2) -> tuple[Path, Path]:
        kind = "IP" if host[0].isdigit() else "DNS"
        (self.directory / f"{name}.ext").write_text(f"subjectAltName={kind}:{host}\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr",
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", f"{self._name}.pem", "-CAkey", f"{self._name}.key",
            "-CAcreateserial", "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
        (self.directory / f"{name}.key").chmod(0o400)
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)


def tls_lines(ca: Certificates, server: tuple[Path, Path], *more: str) -> tuple[str, ...]:
    return ("allow_anonymous true", f"cafile {ca.ca}", f"certfile {server[0]}", f"keyfile {server[1]}", *more)


@needs_openssl
async def test_a_verified_broker_is_published_to(archive: Archive, tmp_path: Path) -> None:
    ca = Certificates(tmp_path)
    async with Mosquitto(tmp_path, *tls_lines(ca, ca.sign("server"))) as broker:
        unit = await outcome(archive, port=broker.port, tls=Tls(ca_file=str(ca.ca)))
    assert unit.failure == ""


@needs_openssl
@unclosed
@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("another authority", "does not verify"),
        ("another host", "does not verify"),
        ("expired", "does not verify"),
        ("no TLS there", "TLS"),
        ("no such authority file", "cannot be read"),
    ],
)
async def test_a_broker_that_cannot_be_verified_is_refused(
    archive: Archive, tmp_path: Path, case: str, said: str
) -> None:
    ca = Certificates(tmp_path)
    trusted = Certificates(tmp_path, "other") if case == "another authority" else ca
    match case:
        case "another host":
            server = ca.sign("server", host="broker.example.org")
        case "expired":
            server = ca.sign("server", days=-1)
        case _:
            server = ca.sign("server")
    lines = tls_lines(ca, server)
    if case == "no TLS there":
        lines = ("allow_anonymous true",)
    ca_file = str(tmp_path / "nothing.pem") if case == "no such authority file" else str(trusted.ca)
    async with Mosquitto(tmp_path, *lines) as broker:
        unit = await outcome(archive, port=broker.port, tls=Tls(ca_file=ca_file))
        assert not unit.was_connected  # type: ignore[attr-defined]
    assert said in unit.failure
    assert len(unit.failure.splitlines()) == 1


@needs_openssl
@unclosed
async def test_a_server_that_speaks_only_old_tls_is_refused(archive: Archive, tmp_path: Path) -> None:
    ca = Certificates(tmp_path)
    certificate, key = ca.sign("server")
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", key, "-tls1_1",
        "-cipher", "ALL:@SECLEVEL=0",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await asyncio.sleep(0.5)
        unit = await outcome(archive, port=port, tls=Tls(ca_file=str(ca.ca)))
    finally:
        server.kill()
        await server.wait()
    assert "no TLS" in unit.failure


@needs_openssl
@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
async def test_a_broker_that_asks_for_a_certificate_gets_it_or_the_mend_is_said(
    archive: Archive, tmp_path: Path, version: str
) -> None:
    ca = Certificates(tmp_path)
    more = ("require_certificate true", "use_identity_as_username true", f"tls_version {version}")
    certificate, key = ca.sign("here")
    async with Mosquitto(tmp_path, *tls_lines(ca, ca.sign("server"), *more)) as broker:
        without = await outcome(archive, port=broker.port, tls=Tls(ca_file=str(ca.ca)))
        tls = Tls(ca_file=str(ca.ca), certificate_file=str(certificate), key_file=str(key))
        with_it = await outcome(archive, port=broker.port, tls=tls)
    assert "tls.certificate_file" in without.failure
    assert with_it.failure == ""
