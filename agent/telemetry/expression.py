"""Arithmetic that a satellite file may contain, compiled to closures: no ``eval``, no attribute, no call but ours.

Knows numbers, names and a few functions. Does not know what the names stand for: the caller lists the names
that exist when it compiles and gives their values when it computes. Python's grammar and precedence; ``^`` is
exclusive or, as in Python, and a power is bounded. A function of a quoted name and seconds (``mean("x", 600)``) is
over what that parameter was lately: the caller computes it and gives it with the values.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from agent.errors import ConfigError
from agent.telemetry.history import FUNCTIONS as WINDOW_FUNCTIONS
from agent.telemetry.history import MAX_WINDOW_S, WindowFunction

Number: TypeAlias = "int | float"
Compute: TypeAlias = Callable[[Mapping[str, object]], "Number"]

MAX_DEPTH = 32
MAX_EXPONENT = 64
MAX_SHIFT = 64


class Undefined(ArithmeticError):
    """The expression has no value for these operands (division by zero, a text in arithmetic, overflow)."""


def _multiply(a: object, b: object) -> Number:
    if not isinstance(a, int | float) or not isinstance(b, int | float):
        raise Undefined("a text in arithmetic")
    return a * b


def _power(base: Number, exponent: Number) -> Number:
    if abs(exponent) > MAX_EXPONENT:
        raise Undefined(f"exponent {exponent}")
    result: Number | complex = base**exponent
    if isinstance(result, complex):
        raise Undefined("root of a negative number")
    return result


def _shift(value: Number, by: Number, left: bool) -> Number:
    if not isinstance(value, int) or not isinstance(by, int) or not 0 <= by <= MAX_SHIFT:
        raise Undefined(f"shift of {value} by {by}")
    return value << by if left else value >> by


_BINARY: Mapping[type[ast.operator], Callable[..., Number]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: _multiply,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: _power,
        ast.BitAnd: operator.and_,
        ast.BitOr: operator.or_,
        ast.BitXor: operator.xor,
        ast.LShift: lambda a, b: _shift(a, b, True),
        ast.RShift: lambda a, b: _shift(a, b, False),
    }
)
_UNARY: Mapping[type[ast.unaryop], Callable[..., Number]] = MappingProxyType(
    {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_, ast.Invert: operator.invert}
)
_COMPARE: Mapping[type[ast.cmpop], Callable[..., bool]] = MappingProxyType(
    {
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
    }
)
FUNCTIONS: Mapping[str, tuple[Callable[..., Number], int, int]] = MappingProxyType(
    {
        "abs": (abs, 1, 1),
        "min": (min, 2, 16),
        "max": (max, 2, 16),
        "round": (round, 1, 2),
        "int": (int, 1, 1),
        "floor": (math.floor, 1, 1),
        "ceil": (math.ceil, 1, 1),
        "sqrt": (math.sqrt, 1, 1),
        "exp": (math.exp, 1, 1),
        "log": (math.log, 1, 2),
        "log2": (math.log2, 1, 1),
        "log10": (math.log10, 1, 1),
        "sin": (math.sin, 1, 1),
        "cos": (math.cos, 1, 1),
        "tan": (math.tan, 1, 1),
        "asin": (math.asin, 1, 1),
        "acos": (math.acos, 1, 1),
        "atan": (math.atan, 1, 1),
        "atan2": (math.atan2, 2, 2),
        "hypot": (math.hypot, 1, 8),
        "degrees": (math.degrees, 1, 1),
        "radians": (math.radians, 1, 1),
    }
)
"""Name → function, fewest and most arguments."""
CONSTANTS: Mapping[str, float] = MappingProxyType({"pi": math.pi, "e": math.e})


@dataclass(frozen=True, slots=True)
class CompiledExpression:
    """An expression ready to compute; ``names`` are those it reads, ``windows`` what it asks of their past."""

    text: str
    names: frozenset[str]
    _compute: Compute
    windows: frozenset[WindowFunction] = frozenset()

    def __call__(self, values: Mapping[Any, object]) -> int | float | bool | None:
        """Compute; ``None`` when it has no value for these operands."""
        try:
            value = self._compute(values)
        except (ArithmeticError, ValueError, TypeError, KeyError):
            return None
        return value if isinstance(value, int | float) else None


def compile_expression(
    text: str, names: Collection[str], where: str = "", *, windows: bool = False
) -> CompiledExpression:
    """Compile an expression over ``names``; raises ``ConfigError`` naming what it does not know.

    ``windows`` allows functions of what parameters were lately.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise ConfigError(f"not an expression: {text!r}", where=where) from exc
    used = _Used(set(), set() if windows else None)
    compute = _compile(tree.body, frozenset(names), used, where, 0)
    return CompiledExpression(text, frozenset(used.names), compute, frozenset(used.windows or ()))


class _Used(NamedTuple):
    """What an expression asks for; ``windows`` is ``None`` where the past is not known."""

    names: set[str]
    windows: set[WindowFunction] | None


def _compile(node: ast.expr, names: frozenset[str], used: _Used, where: str, depth: int) -> Compute:
    if depth > MAX_DEPTH:
        raise ConfigError(f"expression nested deeper than {MAX_DEPTH}", where=where)

    def inner(child: ast.expr) -> Compute:
        return _compile(child, names, used, where, depth + 1)

    def side(child: ast.expr) -> Callable[[Mapping[str, object]], object]:
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            text = child.value
            return lambda _: text
        return inner(child)

    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            return lambda _: value
        case ast.Name(id=name):
            return _compile_name(name, names, used, where)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            binary, a, b = _BINARY[type(op)], inner(left), inner(right)
            return lambda values: binary(a(values), b(values))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            unary, a = _UNARY[type(op)], inner(operand)
            return lambda values: unary(a(values))
        case ast.BoolOp(op=op, values=operands):
            parts = [inner(operand) for operand in operands]
            if isinstance(op, ast.And):
                return lambda values: all(part(values) for part in parts)
            return lambda values: any(part(values) for part in parts)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            compare, first, second = _COMPARE[type(op)], side(left), side(right)
            return lambda values: compare(first(values), second(values))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            condition, yes, no = inner(test), inner(body), inner(orelse)
            return lambda values: yes(values) if condition(values) else no(values)
        case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str() as parameter), *rest]) if (
            name in WINDOW_FUNCTIONS and not node.keywords
        ):
            return _compile_window(name, parameter, rest, names, used, where)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            function, fewest, most = FUNCTIONS[name]
            if not fewest <= len(arguments) <= most:
                raise ConfigError(f"{name}() takes {fewest} to {most} arguments", where=where)
            operands_ = [inner(argument) for argument in arguments]
            return lambda values: function(*[operand(values) for operand in operands_])
        case _:
            raise ConfigError(
                f"{ast.unparse(node)!r} is not allowed in an expression",
                where=where,
                mend=f"arithmetic, comparisons, `a if b else c`, and {', '.join(FUNCTIONS)}",
            )


def _compile_window(
    function: str, parameter: str, rest: list[ast.expr], names: frozenset[str], used: _Used, where: str
) -> Compute:
    example = f'{function}("{parameter}", 600)'
    if used.windows is None:
        raise ConfigError(f"{example}: only a derived value knows the past", where=where)
    if parameter not in names:
        raise ConfigError(
            f"unknown name {parameter!r} in {function}()", where=where, mend="earlier parameters are known"
        )
    match rest:
        case [ast.Constant(value=int() | float() as seconds)] if 0 < seconds <= MAX_WINDOW_S:
            window = WindowFunction(function, parameter, float(seconds))
        case _:
            raise ConfigError(
                f"{function}() of a quoted name takes seconds, up to {MAX_WINDOW_S:.0f}", where=where, mend=example
            )
    used.windows.add(window)
    return lambda values: _window_value(values, window)


def _window_value(values: Mapping[Any, object], window: WindowFunction) -> Number:
    value = values.get(window)
    if not isinstance(value, int | float):
        raise Undefined("nothing is known of that time")
    return value


def _compile_name(name: str, names: frozenset[str], used: _Used, where: str) -> Compute:
    if name in names:
        used.names.add(name)
        return lambda values: values[name]  # type: ignore[return-value]  # a text fails in arithmetic: no value
    if name in CONSTANTS:
        constant = CONSTANTS[name]
        return lambda _: constant
    raise ConfigError(f"unknown name {name!r} in expression", where=where, mend="earlier parameters are known")
