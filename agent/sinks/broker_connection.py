"""How a broker is reached, and what its refusals mean in plain words.

Makes the client of a ``Broker`` (will, TLS, password) and turns each way of failing into one line with its mend.
Knows no record and keeps no state; ``publisher.py`` decides when to try again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from agent.definitions import Broker, Tls
from agent.errors import ConfigError
from agent.security.keys import check_private, read_secret
from agent.sinks.payloads import Message

CONNECT_S: Final = 10.0
PART_S: Final = 1.0
STATE_WINDOW: Final = 10
"""Slots kept for state beside those of the archive's records, so that it never waits for them."""

_silent = logging.getLogger("agent.sinks.mqtt")
_silent.setLevel(logging.CRITICAL)  # paho's own words; ours are said once, with the mend


T = TypeVar("T")


class Trouble(Enum):
    """Kinds of failure, by how soon another try makes sense."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no connection: one line for the operator."""

    trouble: Trouble
    text: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was read from files for one connection."""

    password: str | None
    tls: ssl.SSLContext | None


def read_credentials(broker: Broker) -> Credentials:
    """Read password and certificates, anew for each connection since they expire; raises ``ConfigError``."""
    return Credentials(
        password=read_secret(Path(broker.password_file)) if broker.password_file else None,
        tls=tls_context(broker.tls) if broker.tls is not None else None,
    )


def make_client(
    broker: Broker, credentials: Credentials, *, client_id: str, will: aiomqtt.Will | None
) -> aiomqtt.Client:
    """Make a client that is not yet connected."""
    window = broker.in_flight + STATE_WINDOW
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=client_id,
        username=broker.username,
        password=credentials.password,
        keepalive=broker.keepalive_s,
        clean_session=True,
        timeout=math.inf,  # asyncio.wait_for of Python 3.11 may swallow a cancellation: time is kept here
        will=will,
        max_queued_incoming_messages=1000,
        max_inflight_messages=window,
        max_concurrent_outgoing_calls=window * 4,
        tls_context=credentials.tls,
        logger=_silent,
    )
    client.pending_calls_threshold = window * 4
    return client


@asynccontextmanager
async def connection(client: aiomqtt.Client) -> AsyncIterator[None]:
    """Connect, and part in the end, each within its time; raises ``MqttError``."""
    await within(CONNECT_S, client.__aenter__())
    try:
        yield
    finally:
        with suppress(aiomqtt.MqttError):
            await within(PART_S, client.__aexit__(None, None, None))


async def within(seconds: float, call: Awaitable[T]) -> T:
    """Wait for an answer of the broker; raises ``MqttError`` when there is none in time."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError:
        raise aiomqtt.MqttError("timed out") from None


class _Confirmation(asyncio.Event):
    """What aiomqtt sets when a PUBACK comes; calls instead of waking a task."""

    def __init__(self, confirmed: Callable[[], None]) -> None:
        super().__init__()
        self._confirmed = confirmed

    def set(self) -> None:
        """Take the PUBACK."""
        self._confirmed()


def hand_over(client: aiomqtt.Client, topic: str, message: Message, confirmed: Callable[[], None]) -> None:
    """Publish without waiting; ``confirmed`` is called with the PUBACK. Raises ``MqttError``.

    The same as ``client.publish`` in a task of its own, without the task: half the time of a message, which is what
    a backlog waits for. It uses two attributes that aiomqtt 2 does not promise; a test watches them.
    """
    info = client._client.publish(topic, message.payload, message.qos, message.retain)
    if info.rc != 0:
        raise aiomqtt.MqttCodeError(info.rc, "could not publish")
    if info.is_published():
        confirmed()
    else:
        client._pending_publishes[info.mid] = _Confirmation(confirmed)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Make a context that verifies the broker's name and certificate, TLS 1.2 or later; raises ``ConfigError``."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(
            f"certificate authorities cannot be read: {exc}", where=f"tls.ca_file {tls.ca_file}"
        ) from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate_file is not None:
        key = tls.key_file or tls.certificate_file
        check_private(Path(key))
        try:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigError(
                f"client certificate cannot be used: {exc}", where=f"tls.certificate_file {tls.certificate_file}"
            ) from exc
    return context


def explain(broker: Broker, error: aiomqtt.MqttError, *, connected: bool) -> Failure:
    """Say what went wrong and what would mend it."""
    place = f"broker {broker.name} ({broker.host}:{broker.port})"
    if isinstance(error, MqttConnectError):
        return Failure(Trouble.REFUSED, f"{place} refuses: {_refusal(broker, int(getattr(error.rc, 'value', 0)))}")
    text = str(error)
    if connected:
        return Failure(Trouble.LOST, f"{place}: connection lost{_lost(broker, text)}")
    cause = error.__context__
    match cause:
        case ssl.SSLCertVerificationError():
            mend = "name its authority in tls.ca_file, and the host by the name in its certificate"
            return Failure(
                Trouble.REFUSED, f"{place}: its certificate does not verify: {cause.verify_message} ({mend})"
            )
        case ssl.SSLError():
            mend = "is the port one for TLS, and the certificate one it accepts?"
            return Failure(Trouble.REFUSED, f"{place}: no TLS: {cause.reason or cause} ({mend})")
        case ConnectionRefusedError():
            return Failure(
                Trouble.UNREACHABLE, f"{place}: nothing listens there (start the broker, or mend host and port)"
            )
        case OSError() if not isinstance(cause, TimeoutError):
            mend = " (is the port one for TLS?)" if broker.tls is not None else ""
            return Failure(Trouble.UNREACHABLE, f"{place} cannot be reached: {cause.strerror or cause}{mend}")
        case _ if broker.tls is not None and broker.tls.certificate_file is None:
            mend = "it may ask for a client certificate: tls.certificate_file and tls.key_file"
            return Failure(Trouble.REFUSED, f"{place} does not answer after the TLS handshake ({mend})")
        case _:
            mend = "is the host right, the port one without TLS, the broker hung?"
            return Failure(Trouble.UNREACHABLE, f"{place} does not answer ({mend})")


def _refusal(broker: Broker, code: int) -> str:
    """Name a CONNACK's reason (MQTT 3.1.1 §3.2.2.3; paho gives MQTT 5's numbers for them)."""
    match code:
        case 1 | 132:
            return "it does not speak MQTT 3.1.1"
        case 2 | 133:
            return "it does not take the client id (set another client_id)"
        case 3 | 136:
            return "it is not available now"
        case 4 | 134:
            return "wrong user name or password (mend username and password_file)"
        case 5 | 135:
            if broker.username is None:
                return "not authorised (set username and password_file, or allow anonymous clients)"
            return "not authorised (mend username and password_file, or the broker's access list)"
        case _:
            return f"reason {code}"


def _lost(broker: Broker, text: str) -> str:
    if "timed out" in text:
        if broker.tls is not None and broker.tls.certificate_file is None:
            return ": no answer (it may ask for a client certificate: tls.certificate_file and tls.key_file)"
        return ": no answer"
    return ""
