"""Embedded ground-station telemetry agent.

Knows its version and nothing else, so that importing it costs nothing. The folder list beside this file is
the architecture; ``docs/architecture.md`` draws it.
"""

__version__ = "0.1.0"
