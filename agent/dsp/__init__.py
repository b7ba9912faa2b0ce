"""Modems: samples in, soft symbols out, one modulation per file.

The ``modulation`` of a downlink is the module's name. A module offers ``Options`` (what
``modulation_options`` may say) and ``Demodulator(baudrate_bd, options, signal, sample_rate_hz)``.
"""
