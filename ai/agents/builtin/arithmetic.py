"""Exact arithmetic as a tool: an expression is read as a tree and worked out in fractions, never run.

Numbers stay fractions, so that 0.1 + 0.2 is 0.3; only roots, logarithms and the like are rounded, and the result says
so. Every step is bounded, so that no expression takes long or grows large.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from ai.agents.function_tools import FunctionTools, tool
from core.errors import InvalidInputError

_LONGEST = 2_000
_MOST_STEPS = 500
_MOST_BITS = 20_000
"""About 6,000 digits, in numerator and denominator."""
_DIGITS = 50
_WHOLE_SHOWN = 1_000
_MOST_FACTORIAL = 1_000

_Value = Fraction | bool
_COMPARED: dict[type[ast.cmpop], Callable[[Fraction, Fraction], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_SIMPLE: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
}  # fmt: skip
_FUNCTIONS = (
    "sqrt, exp, ln, log10, log2, sin, cos, tan, abs, min, max, sum, round, floor, ceil, factorial, gcd, lcm, comb"
)
_CONSTANTS = {
    "pi": "3.14159265358979323846264338327950288419716939937510582097494",
    "e": "2.71828182845904523536028747135266249775724709369995957496697",
}
_CONTEXT = Context(prec=_DIGITS + 10)


def arithmetic_tools() -> FunctionTools:
    """`calculate`."""

    @tool(read_only=True)
    def calculate(expression: Annotated[str, Field(min_length=1, max_length=_LONGEST)]) -> str:
        """Work out an expression exactly, such as (1.1 + 2.2) * 3 or 2 ** 100 % 7 or round(sqrt(2), 20) > 1.4.

        Args:
            expression: Numbers, + - * / // % **, comparisons, and sqrt, exp, ln, log10, log2, sin, cos, tan, abs, min,
                max, sum, round, floor, ceil, factorial, gcd, lcm, comb, pi, e.
        """
        return calculated(expression)

    return FunctionTools([calculate])


def calculated(expression: str) -> str:
    """What *expression* comes to, as a whole number, a decimal or a fraction.

    Raises:
        InvalidInputError: It is none, or takes too much.
    """
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InvalidInputError("'expression' is no arithmetic. Write it as 2 * (3 + 4.5) ** 2.") from None
    worker = _Worker()
    try:
        value = worker.value(tree.body)
    except InvalidInputError:  # a ValueError, too, and it says more than what stands below
        raise
    except ZeroDivisionError:
        raise InvalidInputError("'expression' divides by zero. Correct it.") from None
    except RecursionError:
        raise _too_much() from None
    except (OverflowError, InvalidOperation, ValueError):
        raise InvalidInputError("'expression' has no value that is a number. Correct it.") from None
    return _shown(value, rounded=worker.rounded)


class _Worker:
    """Works out one tree."""

    def __init__(self) -> None:
        self.rounded = False
        self._steps = 0

    def value(self, node: ast.expr) -> _Value:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise _too_much()
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return _bounded(Fraction(number) if isinstance(number, int) else Fraction(repr(number)))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self._number(inner)
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self._number(inner)
            case ast.BinOp(left=left, op=op, right=right):
                return _bounded(self._binary(op, self._number(left), self._number(right)))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compared(left, ops, others)
            case ast.Name(id="pi" | "e" as name):
                self.rounded = True
                return Fraction(_CONSTANTS[name])
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return _bounded(self._called(name, [self._number(one) for one in _spread(args)]))
            case _:
                raise InvalidInputError(
                    f"'expression' holds something that is no arithmetic ({type(node).__name__}). Write numbers, "
                    f"+ - * / // % ** and {_FUNCTIONS}."
                )

    def _number(self, node: ast.expr) -> Fraction:
        found = self.value(node)
        if isinstance(found, bool):
            raise InvalidInputError("'expression' counts with a comparison. Compare at the outside alone.")
        return found

    def _binary(self, op: ast.operator, left: Fraction, right: Fraction) -> Fraction:
        if simple := _SIMPLE.get(type(op)):
            return simple(left, right)
        match op:
            case ast.Div():
                return left / right
            case ast.FloorDiv():
                return Fraction(left // right)
            case ast.Mod():
                return left % right
            case ast.Pow():
                return self._power(left, right)
            case _:
                raise InvalidInputError("'expression' may use + - * / // % ** and comparisons alone.")

    def _power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator == 1:
            if abs(base) == 1:
                return base if exponent % 2 else Fraction(1)
            size = max(base.numerator.bit_length(), base.denominator.bit_length())
            if base and abs(exponent.numerator) * (size - 1) > _MOST_BITS:
                raise _too_much()
            return Fraction(base**exponent.numerator) if base else Fraction(0) ** min(max(exponent.numerator, -1), 1)
        if base < 0:
            raise InvalidInputError("'expression' takes a root of a negative number, which is no real one.")
        self.rounded = True
        return _of(_CONTEXT.power(_decimal(base), _decimal(exponent)))

    def _compared(self, left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]) -> bool:
        values = [self._number(one) for one in (left, *others)]
        pairs = zip(ops, values, values[1:], strict=False)
        for op, one, other in pairs:
            if type(op) not in _COMPARED:
                raise InvalidInputError("'expression' may compare by < <= > >= == != alone.")
            if not _COMPARED[type(op)](one, other):
                return False
        return True

    def _called(self, name: str, given: list[Fraction]) -> Fraction:
        match name, given:
            case "abs", [one]:
                return abs(one)
            case "min" | "max", [_, *_]:
                return (min if name == "min" else max)(given)
            case "sum", _:
                return sum(given, Fraction(0))
            case "floor" | "ceil", [one]:
                return Fraction(math.floor(one) if name == "floor" else math.ceil(one))
            case "round", [one]:
                return Fraction(round(one))
            case "round", [one, digits] if digits.denominator == 1 and abs(digits) <= _WHOLE_SHOWN:
                return Fraction(round(one, int(digits)))
            case "gcd" | "lcm", [_, *_]:
                return Fraction((math.gcd if name == "gcd" else math.lcm)(*map(_whole, given)))
            case "factorial", [one] if 0 <= one <= _MOST_FACTORIAL:
                return Fraction(math.factorial(_whole(one)))
            case "comb", [one, other] if 0 <= other <= one <= 10 * _MOST_FACTORIAL:
                return Fraction(math.comb(_whole(one), _whole(other)))
            case _:
                return self._rounded(name, given)

    def _rounded(self, name: str, given: list[Fraction]) -> Fraction:
        """What a function gives whose values are seldom fractions."""
        match name, given:
            case "sqrt", [one] if one >= 0:
                return self._root(one)
            case "exp", [one] if abs(one) <= 5_000:
                found = _CONTEXT.exp(_decimal(one))
            case "ln", [one] if one > 0:
                found = _CONTEXT.ln(_decimal(one))
            case "log10", [one] if one > 0:
                found = _CONTEXT.log10(_decimal(one))
            case "log2", [one] if one > 0:
                found = _CONTEXT.divide(_CONTEXT.ln(_decimal(one)), _CONTEXT.ln(Decimal(2)))
            case "sin" | "cos" | "tan", [one]:
                found = Decimal(repr(getattr(math, name)(float(one))))
            case _:
                raise InvalidInputError(
                    f"'expression': {name[:40]}() with {len(given)} numbers is nothing that is known, or too much. "
                    f"There are {_FUNCTIONS}."
                )
        self.rounded = True
        return _of(found)

    def _root(self, one: Fraction) -> Fraction:
        above, below = math.isqrt(one.numerator), math.isqrt(one.denominator)
        if above * above == one.numerator and below * below == one.denominator:
            return Fraction(above, below)
        self.rounded = True
        return _of(_CONTEXT.sqrt(_decimal(one)))


def _spread(args: list[ast.expr]) -> list[ast.expr]:
    """The arguments, where one may be a list of them: `max([1, 2])`."""
    return args[0].elts if len(args) == 1 and isinstance(args[0], ast.List | ast.Tuple) else args


def _whole(one: Fraction) -> int:
    if one.denominator != 1:
        raise InvalidInputError("'expression' gives a fraction where a whole number is needed. Round it first.")
    return one.numerator


def _decimal(one: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(one.numerator), Decimal(one.denominator))


def _of(found: Decimal) -> Fraction:
    if not found.is_finite() or abs(found.adjusted()) > _MOST_BITS // 4:
        raise _too_much()
    return Fraction(found)


def _bounded(one: Fraction) -> Fraction:
    if max(one.numerator.bit_length(), one.denominator.bit_length()) > _MOST_BITS:
        raise _too_much()
    return one


def _too_much() -> InvalidInputError:
    return InvalidInputError("'expression' comes to a number that is too large, or is too long. Make it smaller.")


def _shown(value: _Value, *, rounded: bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    about = "about " if rounded else ""
    if value.denominator == 1:
        said = str(value.numerator)
        if len(said) <= _WHOLE_SHOWN:
            return f"{about}{said}"
        return f"{about}{said[:40]}... ({len(said) - (value < 0):,} digits)"
    decimal = _CONTEXT.create_decimal(_decimal(value))
    short = decimal.normalize(Context(prec=_DIGITS))
    exact = not rounded and Fraction(short) == value
    said = f"{short:f}" if -_DIGITS <= short.adjusted() < _DIGITS else str(short)
    if exact or rounded:
        return f"{about}{said}"
    fraction = f"{value.numerator}/{value.denominator}"
    return f"{fraction} = about {said}" if len(fraction) <= 100 else f"about {said}"
