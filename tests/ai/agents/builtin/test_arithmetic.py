"""Expressions that are worked out exactly, and those that are refused in a sentence."""

from __future__ import annotations

import time

import pytest

from ai.agents.builtin.arithmetic import arithmetic_tools, calculated
from core.errors import InvalidInputError


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", "14"),
        ("0.1 + 0.2", "0.3"),
        ("(1.1 + 2.2) * 3", "9.9"),
        ("1 / 3", "1/3 = about 0." + "3" * 50),
        ("10 / 4", "2.5"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("2 ** 100 % 7", "2"),
        ("2^10", "1024"),
        ("2 ** -2", "0.25"),
        ("(-1) ** 99999999999999999999", "-1"),
        ("(-1) ** -30001", "-1"),
        ("0 ** 0", "1"),
        ("0 ** 10 ** 10", "0"),
        ("sqrt(2.25)", "1.5"),
        ("sqrt(2)", "about 1.4142135623730950488016887242096980785696718753769"),
        ("round(sqrt(2), 4) > 1.4", "true"),
        ("1 < 2 < 2", "false"),
        ("0.1 + 0.2 == 0.3", "true"),
        ("round(2.675, 2)", "2.68"),
        ("max([1, 2.5, 2])", "2.5"),
        ("sum(1, 2, 3) / 3", "2"),
        ("factorial(20) / factorial(18)", "380"),
        ("gcd(12, 18) + lcm(4, 6)", "18"),
        ("comb(50, 3)", "19600"),
        ("floor(-1.5) + ceil(1.2)", "0"),
        ("log2(1024)", "about 10"),
        ("sin(0)", "about 0"),
        ("abs(-1/8)", "0.125"),
        ("1e30 * 1e-30", "1"),
        ("123456789123456789 * 987654321987654321", "121932631356500531347203169112635269"),
    ],
)
def test_an_expression_has_the_value_that_mathematics_gives_it(expression: str, value: str) -> None:
    assert calculated(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9", "9 ** 9 ** 9 ** 9", "10 ** 100000", "factorial(10 ** 9)", "exp(10 ** 9)",
        "1e999999999", "1 / 0", "0 ** -1", "sqrt(-1)", "ln(0)", "(-8) ** (1/3)", "(" * 500 + "1" + ")" * 500,
        "1 +" * 600 + "1", "__import__('os')", "().__class__", "a", "True + 1", "'a' * 3", "1 if 2 else 3", "lambda: 1",
        "[1][0]", "max()", "1 is 1", "1 and 2", "(1 < 2) + 1", "round(1, 10 ** 9)", "gcd(1.5, 2)", "1 +", "",
        "1j", "x := 1",
        "round(*[1])", "max(key=1)", "factorial(1000) ** 10", "1_000 << 3", "..." , "{1}", "f'{1}'",
    ],
)  # fmt: skip
def test_what_is_no_arithmetic_or_too_much_is_refused_at_once(expression: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidInputError, match="'expression'"):
        calculated(expression)
    assert time.process_time() - began < 2  # else something was worked out that grows


async def test_the_tool_says_it_in_a_sentence() -> None:
    tools = arithmetic_tools()
    assert (await tools.call("calculate", {"expression": "6 * 7"})).result == "42"
    refused = await tools.call("calculate", {"expression": "import os"})
    assert not refused.success and refused.error == (
        "calculate failed: 'expression' is no arithmetic. Write it as 2 * (3 + 4.5) ** 2."
    )
    assert all(spec.read_only for spec in tools.specs())


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("2**100000", "too large"),
        ("factorial(10**6)", r"factorial\(\) with 1 numbers is nothing that is known, or too much"),
        ("__import__('os')", "something that is no arithmetic"),
        ("1 @ 2", "may use"),
        ("sqrt(-1)", r"sqrt\(\) with 1 numbers"),
        ("(-1)**0.5", "root of a negative number"),
        ("1 + (1 < 2)", "counts with a comparison"),
        ("1/0", "divides by zero"),
    ],
)
def test_each_mistake_is_told_by_its_own_sentence(expression: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        calculated(expression)
