"""The exceptions the agent raises on purpose, and what each means to its reader.

::

    AgentError              anything the agent says about its input or surroundings: one clear line, exit code 1
    ├── ConfigError         a file the operator wrote, or an option, is wrong: exit code 2, before any I/O
    ├── SourceLost          a source went away and may come back: its reader reconnects
    │   └── SourceStalled   it is there and gives nothing where it always should
    ├── EndOfStream         a source has given all it had (a recording): its reader ends
    ├── SinkUnavailable     a sink cannot take records now: its writer retries
    └── DecodeError         octets do not fit the layout that was chosen for them: counted by reason

Frames that arrive damaged are counted, never raised.
"""


class AgentError(Exception):
    """Base of everything the agent raises on purpose; ``str()`` is fit to show to the operator."""


class ConfigError(AgentError):
    """A configuration or definition is wrong.

    ``where`` names the file and the place inside it (``station.toml: source[1].port``), ``mend`` what would
    make it right.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what = what
        self.where = where
        self.mend = mend
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text} ({mend})" if mend else text)


class SourceLost(AgentError):
    """A source stopped giving data and may be opened again later."""


class SourceStalled(SourceLost):
    """A source is there and gives nothing, though samples never pause: it is opened again."""


class EndOfStream(AgentError):
    """A source has nothing more to give and never will."""


class SinkUnavailable(AgentError):
    """A sink cannot take records now."""


class DecodeError(AgentError):
    """Octets do not fit their layout; ``reason`` is the counter's name (``too_short``, ``unknown_packet``)."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}" if detail else reason)
