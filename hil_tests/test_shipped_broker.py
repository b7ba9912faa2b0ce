"""Debian's mosquitto with the whole configuration of docs/mqtt.md: TLS, passwords and access list together."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import aiomqtt
import pytest

from agent.definitions import Broker, Tls
from agent.sinks.archive import Archive
from agent.sinks.broker_connection import tls_context
from agent.sinks.publisher import Publisher
from hil_tests.rigs.custody import numbered_frame
from hil_tests.rigs.mosquitto import Mosquitto
from hil_tests.test_publisher_security import DOCUMENT, Certificates, secret
from tests.sinks.listening import until

pytestmark = [
    pytest.mark.hil,
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        not all(map(shutil.which, ("openssl", "mosquitto_passwd"))), reason="openssl or mosquitto_passwd is missing"
    ),
]


def documented(place: Path) -> list[str]:
    """The configuration as it is printed, with its files here."""
    (text,) = re.findall(r"^```conf mosquitto.conf\n(.*?)^```$", DOCUMENT, re.M | re.S)
    (acl,) = re.findall(r"^```conf acl\n(.*?)^```$", DOCUMENT, re.M | re.S)
    (place / "acl").write_text(acl)
    server = Certificates(place).sign("server")
    assert server[0].exists()
    for user in ("station-1", "dashboard"):
        create = [] if (place / "passwords").exists() else ["-c"]
        subprocess.run(
            ["mosquitto_passwd", "-b", *create, str(place / "passwords"), user, f"{user} secret"],
            check=True, capture_output=True,
        )  # fmt: skip
    (place / "acl").chmod(0o600)
    lines = [line.replace("/etc/mosquitto/", f"{place}/") for line in text.splitlines()]
    return [line for line in lines if not line.startswith("listener")]


async def test_a_station_delivers_and_a_dashboard_reads_with_the_documented_configuration(tmp_path: Path) -> None:
    lines = documented(tmp_path)
    heard: list[str] = []
    async with (
        Mosquitto(tmp_path, *lines) as broker,
        Archive(tmp_path / "archive", "station-1", commit_interval_s=0.02) as archive,
    ):
        tls = Tls(ca_file=str(tmp_path / "ca.pem"))
        table = Broker(
            host="127.0.0.1", port=broker.port, username="station-1", tls=tls,
            password_file=secret(tmp_path, "station-1 secret"),
        )  # fmt: skip
        await archive.write([numbered_frame(number) for number in range(20)])
        async with aiomqtt.Client(
            "127.0.0.1",
            broker.port,
            username="dashboard",
            password="dashboard secret",
            tls_context=tls_context(tls),
            identifier="wall",
        ) as dashboard:
            await dashboard.subscribe("gs/#", qos=1)
            publisher = Publisher(table, "station-1", archive, boot="rig", version="0")
            publishing = asyncio.create_task(publisher.run())

            async def listen() -> None:
                async for message in dashboard.messages:
                    heard.append(str(message.topic))

            listening = asyncio.create_task(listen())
            try:
                await until(lambda: heard.count("gs/station-1/sat/link/frame") == 20, 20)
            finally:
                for task in (publishing, listening):
                    task.cancel()
                await asyncio.gather(publishing, listening, return_exceptions=True)
    assert publisher.failure == ""
    print("20 of 20 frames over TLS with passwords and access list, as documented")
