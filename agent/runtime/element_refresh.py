"""Newer elements from the addresses a station names: asked for now and then, judged, and kept for bad days.

Each address has one file in the station's own keeping, OMM as CSV, that holds the accepted sets of this station's
satellites, a few generations of each; the watch over the sky reads it like a file the operator put there, so a
start without a network finds the last good elements. A reply changes that file only if it can be read and
``orbit.checks`` believes it. Asks with the validators of the last good reply (RFC 9110 §13), seldom, never at
a fixed time, and less often while it fails. Knows no satellite's orbit and no prediction.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin, urlsplit

import msgspec

from agent import __version__
from agent.errors import AgentError
from agent.orbit.catalogue import Catalogue
from agent.orbit.checks import Identity, refreshed
from agent.orbit.elements import ElementSets, MeanElements, read_elements
from agent.orbit.omm import write_csv

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

log = logging.getLogger("agent.elements")

MAX_OCTETS = 16 << 20
"""The catalogue of all active objects is 3 MiB as CSV and 8 MiB as JSON."""
GENERATIONS = 12
"""So many sets of an object are kept: what its errors and manoeuvres are judged by."""
MAX_REDIRECTIONS = 3
TOTAL_S, CONNECT_S = 120.0, 20.0
FIRST_WAIT_S = 600.0
"""After a failure; doubled with each further one up to the configured interval."""
JITTER_PART = 0.1
LONGEST_SLEEP_S = 60.0
MAX_VALIDATOR = 256
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Outcome = Literal["new", "unchanged", "refused", "failed"]


class RefreshRefused(AgentError):
    """A reply that is no use; says why."""


class Validators(msgspec.Struct, frozen=True):
    """What the server said of the last good reply, and when it was last asked with success."""

    asked_utc_ns: int = 0
    etag: str = ""
    last_modified: str = ""


@dataclass(slots=True)
class _Address:
    url: str
    file: Path
    validators: Validators
    due_utc_ns: int
    failures: int = 0
    told: str = ""

    @property
    def stamp(self) -> Path:
        return self.file.with_suffix(".json")


def permitted(url: str) -> bool:
    """Tell whether an address may be asked: TLS, or this machine itself."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def kept_file(directory: Path, url: str) -> Path:
    """Return where the elements of an address are kept."""
    host = re.sub(r"[^a-z0-9.-]", "-", (urlsplit(url).hostname or "").lower())[:64]
    return directory / f"{host}-{hashlib.sha256(url.encode()).hexdigest()[:12]}.csv"


class ElementRefresh:
    """Asks the addresses of a station, one after another.

    ``identities`` are the station's satellites by catalogue number; nothing else is kept. ``trusted`` gives the
    sets already in use, against which new ones are judged. ``files`` hold what was accepted.
    """

    def __init__(
        self,
        urls: Sequence[str],
        directory: Path,
        identities: Mapping[int, Identity],
        *,
        refresh_h: float,
        trusted: Callable[[], Catalogue] = lambda: Catalogue(()),
        now_ns: Callable[[], int] = time.time_ns,
        max_octets: int = MAX_OCTETS,
    ) -> None:
        self._directory = directory
        self._identities = identities
        self._every_s = refresh_h * 3600.0
        self._trusted = trusted
        self._now_ns = now_ns
        self._max_octets = max_octets
        self._addresses = [self._address(url) for url in urls]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of accepted sets, in the order of the addresses; they need not exist yet."""
        return tuple(address.file for address in self._addresses)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            due = [address for address in self._addresses if self._is_due(address)]
            if due:
                async with self.session() as session:
                    for address in due:
                        await self._ask(session, address)
            await asyncio.sleep(LONGEST_SLEEP_S * random.uniform(0.5, 1.0))

    def _is_due(self, address: _Address) -> bool:
        left_s = (address.due_utc_ns - self._now_ns()) / 1e9
        # Longer than any wait is a clock that was put back.
        return left_s <= 0.0 or left_s > self._every_s * (1.0 + JITTER_PART)

    async def ask_all(self) -> tuple[Outcome, ...]:
        """Ask every address once, due or not."""
        async with self.session() as session:
            return tuple([await self._ask(session, address) for address in self._addresses])

    @staticmethod
    def session() -> ClientSession:
        """Open a client that verifies certificates and says who it is."""
        from aiohttp import ClientSession, ClientTimeout

        return ClientSession(
            timeout=ClientTimeout(total=TOTAL_S, connect=CONNECT_S),
            headers={"User-Agent": f"gsagent/{__version__}"},
        )

    # -- one address -------------------------------------------------------------------------------------------

    def _address(self, url: str) -> _Address:
        file = kept_file(self._directory, url)
        validators = Validators()
        try:
            validators = msgspec.json.decode(file.with_suffix(".json").read_bytes(), type=Validators)
        except (OSError, msgspec.MsgspecError):
            log.debug("%s: nothing is known of earlier replies", url)
        if not file.is_file():
            validators = Validators()
        now_ns = self._now_ns()
        # A clock that was put back must not silence the address.
        asked_ns = validators.asked_utc_ns if validators.asked_utc_ns <= now_ns else 0
        return _Address(url, file, validators, max(now_ns, asked_ns + round(self._every_s * 1e9)))

    async def _ask(self, session: ClientSession, address: _Address) -> Outcome:
        from aiohttp import ClientError

        outcome: Outcome
        wait_s = 0.0
        try:
            outcome = await self._fetch(session, address)
        except RefreshRefused as exc:
            outcome = "refused"
            self._tell(address, f"{exc}; the last good elements stay")
        except (ClientError, TimeoutError, OSError, ValueError) as exc:
            outcome = "failed"
            self._tell(address, f"{exc or type(exc).__name__}; the last good elements stay")
        if outcome in ("new", "unchanged"):
            address.failures = 0
            wait_s = self._every_s
        else:
            wait_s = min(FIRST_WAIT_S * 2.0 ** min(address.failures, 16), self._every_s)
            address.failures += 1
        spread = random.uniform(1.0, 1.0 + JITTER_PART)
        address.due_utc_ns = self._now_ns() + round(wait_s * spread * 1e9)
        return outcome

    @staticmethod
    def _tell(address: _Address, what: str) -> None:
        """Log a line once, however often the same thing happens."""
        if what != address.told:
            address.told = what
            log.warning("%s: %s", address.url, what)

    async def _fetch(self, session: ClientSession, address: _Address) -> Outcome:
        conditions = {}
        if address.validators.etag:
            conditions["If-None-Match"] = address.validators.etag
        if address.validators.last_modified:
            conditions["If-Modified-Since"] = address.validators.last_modified
        url = address.url
        for _ in range(1 + MAX_REDIRECTIONS):
            if not permitted(url):
                raise RefreshRefused(f"{url} is neither https nor on this machine")
            async with session.get(url, headers=conditions, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308) and "Location" in response.headers:
                    url = urljoin(url, response.headers["Location"])
                    continue
                return await self._take(response, address)
        raise RefreshRefused(f"more than {MAX_REDIRECTIONS} redirections")

    async def _take(self, response: ClientResponse, address: _Address) -> Outcome:
        if response.status == 304 and address.file.is_file():
            asked = msgspec.structs.replace(address.validators, asked_utc_ns=self._now_ns())
            address.validators = asked
            await asyncio.to_thread(_replace_file, address.stamp, msgspec.json.encode(asked))
            address.told = ""
            return "unchanged"
        if response.status != 200:
            raise RefreshRefused(f"answers {response.status} {response.reason or ''}".rstrip())
        octets = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            octets += chunk
            if len(octets) > self._max_octets:
                raise RefreshRefused(f"the reply is larger than {self._max_octets} octets")
        validators = Validators(
            self._now_ns(),
            response.headers.get("ETag", "")[:MAX_VALIDATOR],
            response.headers.get("Last-Modified", "")[:MAX_VALIDATOR],
        )
        return await asyncio.to_thread(self._judge, bytes(octets), validators, address)

    # -- judging and keeping, in a thread ----------------------------------------------------------------------

    def _judge(self, octets: bytes, validators: Validators, address: _Address) -> Outcome:
        source = address.file.name
        try:
            found = read_elements(octets.decode("utf-8", errors="replace"), source=source)
        except AgentError as exc:
            raise RefreshRefused(str(exc)) from exc
        if not found.sets:
            raise RefreshRefused(f"no element set in the reply can be used ({len(found.refused)} refused)")
        wanted = [s for s in found.sets if s.norad in self._identities]
        if not wanted:
            raise RefreshRefused(f"none of its {len(found.sets)} sets is of a satellite of this station")
        own = _read_kept(address.file)
        in_use = self._trusted()
        known = [s for norad in in_use for s in in_use.history(norad)] + own
        merged, refused = refreshed(
            Catalogue(known), ElementSets(tuple(wanted)), self._now_ns(), identities=self._identities
        )
        accepted = [s for s in wanted if any(s is kept for kept in merged.history(s.norad))]
        doubts = "; ".join(refusal.message for refusal in refused[:5])
        if not accepted:
            raise RefreshRefused(f"no set is believed: {doubts}")
        by_object = Catalogue([*own, *accepted])
        rows = [s for norad in by_object for s in by_object.history(norad)[-GENERATIONS:]]
        _replace_file(address.file, write_csv(rows).encode())
        if refused:
            # Asked again in full next time: the validators of a reply that is believed in part are not kept.
            validators = Validators(validators.asked_utc_ns)
            self._tell(address, f"not believed, the old sets stay: {doubts}")
        else:
            address.told = ""
        _replace_file(address.stamp, msgspec.json.encode(validators))
        address.validators = validators
        log.info("%s: elements of %d satellites", address.url, len({s.norad for s in accepted}))
        return "new"


def _read_kept(file: Path) -> list[MeanElements]:
    try:
        return list(read_elements(file.read_text(encoding="utf-8"), source=file.name).sets)
    except (OSError, UnicodeDecodeError, AgentError):
        # Nothing kept yet, or spoilt by a failing card: it is written anew.
        return []


def _replace_file(path: Path, content: bytes) -> None:
    """Write beside and rename over: after a power cut either the old content stands or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    with scratch.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
