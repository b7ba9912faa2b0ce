"""Slow twins of ``firmware_protocols.coding``, written from the specifications with lists of bits."""

from __future__ import annotations


def crc_by_long_division(
    data: bytes, *, width: int, polynomial: int, initial: int, reflected: bool, final_xor: int
) -> int:
    """Divide the message polynomial by the generator, one bit at a time."""
    bits = [(octet >> (bit if reflected else 7 - bit)) & 1 for octet in data for bit in range(8)]
    register = [(initial >> (width - 1 - i)) & 1 for i in range(width)]
    generator = [(polynomial >> (width - 1 - i)) & 1 for i in range(width)]
    for bit in bits:
        feedback = register[0] ^ bit
        register = [*register[1:], 0]
        if feedback:
            register = [a ^ b for a, b in zip(register, generator, strict=True)]
    if reflected:
        register.reverse()
    value = 0
    for bit in register:
        value = value << 1 | bit
    return value ^ final_xor


def descramble(bits: list[int], taps: tuple[int, ...]) -> list[int]:
    """Add the earlier channel bits modulo 2; before the first there were zeros."""
    return [(bit + sum(bits[i - tap] for tap in taps if i >= tap)) % 2 for i, bit in enumerate(bits)]


def multiply_gf256(a: int, b: int, polynomial: int) -> int:
    """Multiply two field elements as polynomials over GF(2), reduced at every step."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= polynomial
        b >>= 1
    return product


def reed_solomon_syndromes(
    codeword: bytes, *, polynomial: int, first_root: int, root_step: int, roots: int
) -> list[int]:
    """Evaluate the code polynomial (first octet: highest power) at every root of the generator."""
    out = []
    for i in range(roots):
        root = 1
        for _ in range(root_step * (first_root + i) % 255):
            root = multiply_gf256(root, 2, polynomial)
        value = 0
        for octet in codeword:
            value = multiply_gf256(value, root, polynomial) ^ octet
        out.append(value)
    return out


def encode_convolutional(bits: list[int], generators: tuple[int, int], inverted: tuple[bool, bool]) -> list[int]:
    """Shift bits through seven stages and add those the generators (octal, newest first) name."""
    stages = [0] * 7
    out = []
    for bit in bits:
        stages = [bit, *stages[:-1]]
        for generator, inversion in zip(generators, inverted, strict=True):
            taps = [generator >> (6 - i) & 1 for i in range(7)]
            out.append((sum(t & s for t, s in zip(taps, stages, strict=True)) + inversion) % 2)
    return out
