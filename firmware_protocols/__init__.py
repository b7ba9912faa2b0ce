"""Link and packet protocols, one file each: octets and symbols only.

A protocol knows no satellite, clock, station or agent. ``interface.py`` says what a protocol module holds,
``template.py`` is a worked one to copy; the name in a satellite file is the module's name.
"""
