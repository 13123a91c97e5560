"""In the domain nobody adds, subtracts, multiplies or divides amounts but `money`: Python's operators round."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dropcopyd.domain

DOMAIN = Path(dropcopyd.domain.__file__).parent
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
FUNCTIONS = {"abs", "sum", "round", "divmod", "pow", "float"}
WHOLE_NUMBERS = re.compile(r"(.*_)?(ns|NS|seq|number|seconds|days|count|index|KIB|MIB|MAX|max|PLACES)|KIB|MIB")
"""Names of integers: times, numbers, sizes. Amounts are called quantity, price, cost, value ... and are not here."""
TIMES = re.compile(r"_EPOCH|_DAY|day|moment|at|time|offset")
WHOLE_FUNCTIONS = {"int", "len", "ord"}
COLLECTIONS = {"frozenset", "set", "tuple", "list", "keys"}
TIME_FUNCTIONS = {"timedelta", "datetime", "date", "astimezone"}


def is_harmless(node: ast.expr) -> bool:
    """Whether an operand is an integer, a text or a time, as its name or shape says."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | str) and not isinstance(value, bool)
        case (
            ast.Set()
            | ast.List()
            | ast.SetComp()
            | ast.ListComp()
            | ast.JoinedStr()
            | ast.Subscript(value=ast.Name(id="match"))
        ):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return bool(WHOLE_NUMBERS.fullmatch(name) or TIMES.fullmatch(name))
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in WHOLE_FUNCTIONS | TIME_FUNCTIONS | COLLECTIONS
        case ast.BinOp(left=left, right=right):
            return is_text(left) or is_text(right) or (is_harmless(left) and is_harmless(right))
        case ast.UnaryOp(operand=operand):
            return is_harmless(operand)
    return False


def is_text(node: ast.expr) -> bool:
    """A text beside an amount raises, so whatever stands on the other side is a text too."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def offences(source: str, filename: str) -> Iterator[str]:
    """Every place where an operator or built-in may meet an amount."""
    for node in ast.walk(ast.parse(source, filename)):
        operands: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ARITHMETIC):
            operands = [node]
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ARITHMETIC):
            operands = [node.target, node.value]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            operands = [node.operand]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            operands = list(node.args)
        if not all(is_harmless(operand) for operand in operands):
            yield f"{filename}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", sorted(DOMAIN.rglob("*.py")), ids=lambda path: str(path.relative_to(DOMAIN)))
def test_no_arithmetic_on_amounts_outside_money(path: Path) -> None:
    if path.name == "money.py":
        return
    assert list(offences(path.read_text("utf-8"), path.name)) == []


@pytest.mark.parametrize(
    "line",
    [
        "x = order.quantity - order.filled_quantity",
        "x = -quantity",
        "cost += value",
        "x = abs(held)",
        "x = sum(prices)",
        "x = round(price, 2)",
        "x = 2 * price",
        "x = float(price)",
        "x = value % increment",
        "x = price ** 2",
        "x = order.last_seq + quantity",
    ],
)
def test_the_rule_sees_arithmetic_on_amounts(line: str) -> None:
    assert list(offences(line, "example.py"))


@pytest.mark.parametrize(
    "line", ["x = order.last_seq + 1", "x = at_ns // 10**9", "x = 64 * KIB", "x = 'a' + 'b'", "T = int | None"]
)
def test_the_rule_lets_whole_numbers_and_texts_be(line: str) -> None:
    assert not list(offences(line, "example.py"))
