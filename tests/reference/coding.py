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
