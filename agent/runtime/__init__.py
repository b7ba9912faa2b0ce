"""The agent at work: the only place where tasks are made.

``station.py`` holds the TaskGroup; ``assembly.py`` makes parts of a station file, ``reload.py`` and
``difference.py`` change them while they work; ``feed.py`` is one source's reader and receiver, ``record_flow.py``
the way of a record;
``passes.py`` the watch over the sky, ``element_refresh.py`` where its elements come from; ``announcer.py`` what is
told to brokers now, ``station_alarms.py``, ``description.py`` and ``host.py`` what the station says of itself,
``metrics.py`` the same for Prometheus; ``orders.py`` what people may ask; ``service_manager.py`` systemd's
notifications and watchdog.
"""

from agent.runtime.station import Agent, check_station

__all__ = ["Agent", "check_station"]
