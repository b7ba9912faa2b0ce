"""The agent at work: the only place where tasks are made.

``station.py`` holds the TaskGroup and the way of a record; ``feed.py`` one source's reader and receiver;
``passes.py`` the watch over the sky; ``host.py`` what the machine itself says.
"""

from agent.runtime.station import Agent, check_station

__all__ = ["Agent", "check_station"]
