"""What a power cut leaves of a folder: a program's writes and syncs as strace saw them, and images made of them.

The model of a file system with a metadata journal (ext4, ``data=ordered``): a sync of a file makes its own writes
durable and, with the journal, every creation, renaming and unlinking before it. What is not synced is, each for
itself, kept, lost, or torn at sectors of 512 octets, in any order; directory entries that are not yet durable are a
prefix of what was done to them. A program's lines on standard output are its promises, in their place.

Source: the method of ALICE (Pillai et al., OSDI 2014), with ext4's persistence of directory operations.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

CALLS = "openat,pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename"
SECTOR = 512
_LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"^(\d+)<((?:\\x[0-9a-f]{2})*)>")


class Operation(NamedTuple):
    """One thing that was done, or (``promise``) said; ``other`` is a new name."""

    kind: Literal["create", "truncate", "write", "sync", "rename", "unlink", "promise"]
    name: str = ""
    at: int = 0
    data: bytes = b""
    other: str = ""


def record(command: Sequence[str], folder: Path, log: Path) -> list[Operation]:
    """Run a program under strace and return what it did to the files of a folder; index files (-shm) are none."""
    subprocess.run(
        ["strace", "-f", "-y", "-xx", "-s", "2000000", "-o", str(log), "-e", f"trace={CALLS}", *command],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    with log.open(encoding="ascii") as lines:
        return [item for line in lines for item in _operations(line, str(folder.absolute()))]


def _operations(line: str, folder: str) -> Iterator[Operation]:
    found = _LINE.match(line)
    if found is None or found["result"].startswith("-"):
        return
    call, arguments = found["call"], found["arguments"]
    texts = [_octets(text) for text in _TEXT.findall(arguments)]
    if call == "write" and arguments.startswith("1<"):
        yield Operation("promise", data=texts[0])
        return
    if call in ("openat", "unlink", "rename"):
        names = [_inside(text.decode(errors="replace"), folder) for text in texts]
    else:
        descriptor = _DESCRIPTOR.match(arguments)
        names = [_inside(_octets(descriptor[2]).decode(errors="replace"), folder)] if descriptor else [None]
    name = names[0]
    if name is None or name.endswith("-shm"):
        return
    match call:
        case "openat" if "O_CREAT" in arguments:
            yield Operation("create", name)
            if "O_TRUNC" in arguments:
                yield Operation("truncate", name)
        case "pwrite64":
            yield Operation("write", name, int(arguments.rsplit(", ", 1)[1]), texts[0])
        case "write":
            yield Operation("write", name, -1, texts[0])
        case "fsync" | "fdatasync":
            yield Operation("sync", name)
        case "ftruncate":
            yield Operation("truncate", name, int(arguments.rsplit(", ", 1)[1]))
        case "unlink":
            yield Operation("unlink", name)
        case "rename" if names[1] is not None:
            yield Operation("rename", name, other=names[1])


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _inside(path: str, folder: str) -> str | None:
    if path == folder:
        return "."
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None


@dataclass(slots=True)
class _File:
    """A file's octets on the medium, what was done to it since its last sync, and its end as it is seen."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)
    end: int = 0


class Medium:
    """The folder as the program left it after some operations; ``image`` says what a power cut makes of it."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.promised = b""
        self._names = {name: _File(bytearray(data), end=len(data)) for name, data in (files or {}).items()}
        self._durable_names = dict(self._names)
        self._renamings: list[Operation] = []

    def apply(self, item: Operation) -> None:
        """Go one operation on."""
        match item.kind:
            case "promise":
                self.promised += item.data
            case "create":
                if item.name not in self._names:
                    self._names[item.name] = _File()
                    self._renamings.append(item)
            case "rename":
                self._names[item.other] = self._names.pop(item.name)
                self._renamings.append(item)
            case "unlink":
                self._names.pop(item.name, None)
                self._renamings.append(item)
            case "sync":
                self._sync(item.name)
            case _:
                file = self._names.get(item.name)
                if file is not None:
                    placed = item._replace(at=file.end) if item.at < 0 else item
                    file.end = item.at if item.kind == "truncate" else max(file.end, placed.at + len(item.data))
                    file.pending.append(placed)

    def _sync(self, name: str) -> None:
        self._durable_names = dict(self._names)
        self._renamings.clear()
        file = self._names.get(name)
        if file is not None:
            for item in file.pending:
                _write(file.durable, item)
            file.pending.clear()

    def image(self, chance: random.Random) -> dict[str, bytes]:
        """Return the files that a power cut at this moment may leave."""
        names = dict(self._durable_names)
        for item in self._renamings[: chance.randint(0, len(self._renamings))]:
            match item.kind:
                case "create":
                    names[item.name] = self._now(item)
                case "rename":
                    names[item.other] = names.pop(item.name)
                case _:
                    names.pop(item.name, None)
        return {name: _after_power_cut(file, chance) for name, file in names.items()}

    def _now(self, created: Operation) -> _File:
        """Find the file a name was given to, through what it was renamed to since."""
        name = created.name
        for item in self._renamings[self._renamings.index(created) + 1 :]:
            if item.kind == "rename" and item.name == name:
                name = item.other
            elif item.kind == "unlink" and item.name == name:
                return _File()
        return self._names[name]


def _after_power_cut(file: _File, chance: random.Random) -> bytes:
    octets = bytearray(file.durable)
    kept = chance.random()  # a busy medium has written most, or next to nothing
    for item in file.pending:
        if chance.random() < 0.3:
            _write(octets, item, torn_by=chance)
        elif chance.random() < kept:
            _write(octets, item)
    return bytes(octets)


def _write(octets: bytearray, item: Operation, torn_by: random.Random | None = None) -> None:
    if item.kind == "truncate":
        del octets[item.at :]
        octets.extend(bytes(item.at - len(octets)))
        return
    for begin in range(0, len(item.data), SECTOR):
        if torn_by is not None and torn_by.random() < 0.5:
            continue
        part = item.data[begin : begin + SECTOR]
        at = item.at + begin
        octets.extend(bytes(max(0, at - len(octets))))
        octets[at : at + len(part)] = part


def materialise(files: dict[str, bytes], folder: Path) -> None:
    """Write an image to a folder."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def images(
    operations: Sequence[Operation], count: int, chance: random.Random, *, before: dict[str, bytes] | None = None
) -> Iterator[tuple[int, bytes, dict[str, bytes]]]:
    """Give so many images at moments spread over a run: the moment, what was promised by then, and the files."""
    moments = sorted(chance.choices(range(1, len(operations) + 1), k=count))
    medium = Medium(before)
    done = 0
    for moment in moments:
        for item in operations[done:moment]:
            medium.apply(item)
        done = moment
        yield moment, medium.promised, medium.image(chance)
