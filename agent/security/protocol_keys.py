"""The keys that a satellite's protocols check with: its file names files, here they are read.

A satellite file says ``hmac_key_file = "keys/mysat"``; the option beside it (``hmac_key``) gets what the file
holds. Knows the naming rule and how a key is written: a line of text, or ``hex:`` and digits. Does not know what
any key is for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from agent.definitions import ProtocolChoice, Satellite
from agent.errors import ConfigError
from agent.security.keys import read_secret
from firmware_protocols.interface import Key

SUFFIX: Final = "_key_file"
HEX: Final = "hex:"


def with_keys(satellite: Satellite) -> Satellite:
    """Return the satellite with its protocols' keys read; raises ``ConfigError``."""
    downlinks = []
    for index, downlink in enumerate(satellite.downlinks):
        chain = tuple(
            _with_keys(choice, f"{satellite.name}: downlink[{index}].extract[{place}].options")
            for place, choice in enumerate(downlink.extract)
        )
        downlinks.append(
            msgspec.structs.replace(downlink, extract=chain) if chain != downlink.extract else downlink
        )
    return msgspec.structs.replace(satellite, downlinks=tuple(downlinks))


def _with_keys(choice: ProtocolChoice, where: str) -> ProtocolChoice:
    keys: dict[str, Any] = {}
    for name, value in choice.options.items():
        if name.endswith(SUFFIX) and isinstance(value, str) and value:
            try:
                keys[name.removesuffix("_file")] = read_key(Path(value))
            except ConfigError as exc:
                raise ConfigError(f"{exc.where}: {exc.what}", where=f"{where}.{name}", mend=exc.mend) from exc
    return msgspec.structs.replace(choice, options={**choice.options, **keys}) if keys else choice


def read_key(path: Path) -> Key:
    """Read a key from a file that only its owner may read; raises ``ConfigError``."""
    text = read_secret(path)
    if not text.startswith(HEX):
        return Key(text.encode())
    try:
        return Key(bytes.fromhex(text.removeprefix(HEX)))
    except ValueError as exc:
        raise ConfigError("holds no hexadecimal key", where=str(path), mend=f"{HEX} and pairs of digits") from exc
