"""The modulations: the module's name is the modulation's, and this folder is the list of them.

A module offers ``Options`` (what ``modulation_options`` may say), ``Demodulator(baudrate_bd, options, signal,
sample_rate_hz)`` and ``channel_bandwidth_hz(baudrate_bd, options)``. The parts that they are made of stand in the
folder above.
"""
