"""The link between a client and a broker that the scenarios' broker faults use, for the tests of the publisher."""

from agent.simulator.proxy import Link

__all__ = ["Link"]
