"""Codes that several protocols share: checks, scramblers, error correction.

Each module is a Numba kernel (scalars and contiguous arrays only) with one typed wrapper; its slow twin,
written from the specification, stands in ``tests/reference``.
"""
