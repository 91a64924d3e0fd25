"""Sizes and conditions as torch.export writes them: integers, symbols and arithmetic, and nothing that runs.

torch hands such a text to sympy, which evaluates it as Python. Here it is parsed, never evaluated, and must be made of
the functions that torch's serialiser writes (`GraphModuleDeserializer.deserialize` in torch/_export/serde/serialize.py
has its list; the others are sympy's own arithmetic, which `srepr` spells out).
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from functools import reduce
from typing import Final, NamedTuple, NoReturn

from dsconv_cli.model.exported.checks import RefusedError, Value, refuse

#: torch's names for sizes, unknown sizes and floats: s0, u1, zf2. A large number would have it count up to there.
SYMBOL: Final = r"(s|u|f|i|ps|zf|zuf)\d{1,6}"

_FUNCTIONS: Final = frozenset(
    {
        *("FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilDiv", "CeilToInt", "FloorToInt"),
        *("FloatTrueDiv", "IntTrueDiv", "IsNonOverlappingAndDenseIndicator", "TruncToFloat", "TruncToInt"),
        *("RoundToInt", "RoundDecimal", "ToFloat", "Identity", "Abs", "floor", "ceiling", "Integer", "Rational"),
        *("Max", "Min", "And", "Or", "Not", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Equality", "Unequality"),
        *("StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "Piecewise", "ExprCondPair"),
        *(f"OpaqueUnaryFn_{name}" for name in ("sqrt", "exp", "log", "log2", "cos", "sin", "tan", "tanh")),
    }
)
_POWERS: Final = frozenset({"Pow", "PowByNatural", "FloatPow", "LShift", "RShift"})
_CONSTANTS: Final = frozenset({"oo", "zoo", "nan", "int_oo", "inf", "true", "false"})
_ASSUMPTIONS: Final = frozenset({"integer", "positive", "nonnegative", "negative", "nonzero", "real", "finite", "even"})
_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.FloorDiv, ast.Div, ast.Mod)
_COMPARISONS: Final = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)

_CHARACTERS: Final = re.compile(r"[A-Za-z0-9_ ().,='*/%+<>!~-]{1,20000}")
_GUARD_CHARACTERS: Final = re.compile(r"[A-Za-z0-9_ ().,='\"*/%+<>!~\[\]-]{1,100000}")
#: What a guard asks an input for.
_QUESTIONS: Final = frozenset({"size", "stride", "storage_offset"})
_GUARD_FUNCTIONS: Final = frozenset(
    {
        *("max", "min", "abs", "float", "int", "len", "torch._sym_sqrt"),
        *(f"math.{name}" for name in ("trunc", "floor", "ceil", "sqrt")),
        *(f"torch.sym_{name}" for name in ("not", "int", "float", "ite", "max", "min", "sqrt", "sum")),
    }
)

#: Twenty factors of 64 bits; no tensor has that many dimensions.
_MOST_BITS: Final = 20 * 64
_MOST_TERMS: Final = 1000
_MOST_POWER: Final = 64
_DEEPEST: Final = 100


def expression(value: Value) -> Value:
    """The text of a size or a condition, in `srepr`'s spelling or as one would write it."""
    return _checked(value, _CHARACTERS, _symbol_call)


def guard(value: Value) -> Value:
    """The text of a condition on the inputs, such as `L['x'].size()[2] % 4 == 0`."""
    return _checked(value, _GUARD_CHARACTERS, _input_question)


def _checked(value: Value, characters: re.Pattern[str], leaf: Callable[[ast.AST], bool]) -> str:
    if not isinstance(value, str) or not characters.fullmatch(value):
        refuse(value, "size expression")
    try:
        _Walker(value, leaf).visit(ast.parse(value, mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, MemoryError, RecursionError):
        refuse(value, "size expression")
    return value


class _Extent(NamedTuple):
    """The most that an expression can become: bits of its value, and terms once its products are multiplied out."""

    bits: int
    terms: int = 1

    def __mul__(self, other: _Extent) -> _Extent:  # type: ignore[override]
        return _Extent(self.bits + other.bits, self.terms * other.terms)


_LEAF: Final = _Extent(64)


class _Walker(ast.NodeVisitor):
    """Walks an expression of the grammar and says how large it can become, so that sympy need not find out.

    Every part of it is visited, and a part without a method here is refused.

    `leaf` knows what is particular to sizes or to guards.
    """

    def __init__(self, text: str, leaf: Callable[[ast.AST], bool]) -> None:
        self._text = text
        self._leaf = leaf
        self._depth = 0

    def visit(self, node: ast.AST) -> _Extent:
        self._depth += 1
        extent: _Extent = _LEAF if self._leaf(node) else super().visit(node)
        if extent.bits > _MOST_BITS or extent.terms > _MOST_TERMS or self._depth > _DEEPEST:
            raise RefusedError(f"the size expression {self._text!r} is larger than any size")
        self._depth -= 1
        return extent

    def generic_visit(self, node: ast.AST) -> NoReturn:
        raise RefusedError(f"{ast.unparse(node)!r} in {self._text!r} is neither integer, symbol nor arithmetic")

    def visit_Constant(self, node: ast.Constant) -> _Extent:
        if isinstance(node.value, bool | float) or node.value is None:
            return _LEAF
        return _Extent(node.value.bit_length()) if isinstance(node.value, int) else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> _Extent:
        return _LEAF if node.id in _CONSTANTS or re.fullmatch(SYMBOL, node.id) else self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> _Extent:
        return self.visit(node.operand)

    def visit_BinOp(self, node: ast.BinOp) -> _Extent:
        if isinstance(node.op, ast.Pow | ast.LShift | ast.RShift):
            return self._power([node.left, node.right], node)
        if isinstance(node.op, ast.Mult):
            return self.visit(node.left) * self.visit(node.right)
        return self._sum([node.left, node.right]) if isinstance(node.op, _ARITHMETIC) else self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> _Extent:
        known = all(isinstance(one, _COMPARISONS) for one in node.ops)
        return self._sum([node.left, *node.comparators]) if known else self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> _Extent:
        return self._sum(node.values)

    def visit_Call(self, node: ast.Call) -> _Extent:
        name = ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
        if node.keywords or not node.args or any(isinstance(one, ast.Starred) for one in node.args):
            self.generic_visit(node)
        if name in _POWERS:
            return self._power(node.args, node)
        if name == "Mul":
            return reduce(operator.mul, map(self.visit, node.args))
        if name == "Add":
            return self._sum(node.args)
        if name in _FUNCTIONS or (self._leaf is _input_question and name in _GUARD_FUNCTIONS):
            # One term, whatever is inside.
            return _Extent(self._sum(node.args).bits)
        return self.generic_visit(node)

    def _sum(self, parts: list[ast.expr]) -> _Extent:
        extents = [self.visit(part) for part in parts]
        return _Extent(max(one.bits for one in extents) + len(parts), sum(one.terms for one in extents))

    def _power(self, parts: list[ast.expr], node: ast.expr) -> _Extent:
        exponent = _literal(parts[1]) if len(parts) == 2 else None
        if exponent is None or abs(exponent) > _MOST_POWER:
            self.generic_visit(node)
        factors = max(1, math.ceil(abs(exponent)))
        base, _ = map(self.visit, parts)
        return _Extent(base.bits * factors + _MOST_POWER, base.terms**factors)


def _literal(node: ast.expr) -> float | None:
    """The number that `node` is: 2, -1, Integer(2), Rational(1, 2), Float('0.5', precision=53)."""
    match node:
        case ast.UnaryOp(op=ast.USub()):
            inner = _literal(node.operand)
            return None if inner is None else -inner
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.Call(args=[ast.Constant(value=str() as text)]) if _is_float(node):
            return float(text)
        case ast.Call(func=ast.Name(id="Integer"), args=[one]):
            return _literal(one)
        case ast.Call(func=ast.Name(id="Rational"), args=[one, other]):
            above, below = _literal(one), _literal(other)
            return above / below if above is not None and below else None
    return None


def _symbol_call(node: ast.AST) -> bool:
    """`Symbol('s0', positive=True, integer=True)` or `Float('0.5', precision=53)`."""
    match node:
        case ast.Call(func=ast.Name(id="Symbol"), args=[name], keywords=assumptions):
            return _is_text(name, r"[A-Za-z_]\w{0,40}") and all(
                one.arg in _ASSUMPTIONS and isinstance(one.value, ast.Constant) and type(one.value.value) is bool
                for one in assumptions
            )
    return _is_float(node)


def _is_float(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="Float"), args=[number], keywords=keywords):
            return _is_text(number, r"-?\d{1,40}(\.\d{0,40})?(e[+-]?\d{1,3})?") and all(
                one.arg in {"precision", "dps"} and isinstance(one.value, ast.Constant) for one in keywords
            )
    return False


def _is_text(node: ast.expr, pattern: str) -> bool:
    found = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return found and re.fullmatch(pattern, node.value, re.ASCII) is not None  # type: ignore[attr-defined]


def _input_question(node: ast.AST) -> bool:
    """`L['x'][0].size()[2]`, or `L['x']` alone."""
    match node:
        case ast.Subscript(value=asked, slice=ast.Constant(value=place)) if type(place) in {int, str}:
            return _input_question(asked) or (isinstance(asked, ast.Name) and asked.id == "L")
        case ast.Call(func=ast.Attribute(value=asked, attr=question), args=[], keywords=[]):
            return question in _QUESTIONS and _input_question(asked)
    return False
