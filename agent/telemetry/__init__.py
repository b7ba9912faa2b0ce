"""From a packet to engineering values: layouts compiled from satellite files, calibration, decoding."""
