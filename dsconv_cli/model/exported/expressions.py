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
from collections.abc import Callable, Mapping
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
_SUMS: Final = frozenset({"Add"})
_PRODUCTS: Final = frozenset({"Mul"})
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


def _checked(value: Value, characters: re.Pattern[str], leaf: Callable[[ast.expr], bool]) -> str:
    if not isinstance(value, str) or not characters.fullmatch(value):
        refuse(value, "size expression")
    try:
        _Walker(value, leaf).of(ast.parse(value, mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        refuse(value, "size expression")
    return value


class _Extent(NamedTuple):
    """The most that an expression can become: bits of its value, and terms once its products are multiplied out."""

    bits: int
    terms: int = 1

    def __mul__(self, other: _Extent) -> _Extent:  # type: ignore[override]
        return _Extent(self.bits + other.bits, self.terms * other.terms)


_LEAF: Final = _Extent(64)


class _Walker:
    """Walks an expression of the grammar and says how large it can become, so that sympy need not find out.

    `leaf` knows what is particular to sizes or to guards.
    """

    def __init__(self, text: str, leaf: Callable[[ast.expr], bool]) -> None:
        self._text = text
        self._leaf = leaf
        self._depth = 0

    def of(self, node: ast.expr) -> _Extent:
        """The extent of `node`.

        Raises:
            RefusedError: it is not of the grammar, too deep or too large.
        """
        self._depth += 1
        extent = _LEAF if self._leaf(node) else _RULES.get(type(node), _Walker._unknown)(self, node)
        if extent.bits > _MOST_BITS or extent.terms > _MOST_TERMS or self._depth > _DEEPEST:
            raise RefusedError(f"the size expression {self._text!r} is larger than any size")
        self._depth -= 1
        return extent

    def _unknown(self, node: ast.expr) -> NoReturn:
        raise RefusedError(f"{ast.unparse(node)!r} in {self._text!r} is neither integer, symbol nor arithmetic")

    def _constant(self, node: ast.Constant) -> _Extent:
        if isinstance(node.value, bool | float) or node.value is None:
            return _LEAF
        return _Extent(node.value.bit_length()) if isinstance(node.value, int) else self._unknown(node)

    def _name(self, node: ast.Name) -> _Extent:
        return _LEAF if node.id in _CONSTANTS or re.fullmatch(SYMBOL, node.id) else self._unknown(node)

    def _unary(self, node: ast.UnaryOp) -> _Extent:
        return self.of(node.operand)

    def _binary(self, node: ast.BinOp) -> _Extent:
        if isinstance(node.op, ast.Pow | ast.LShift | ast.RShift):
            return self._power([node.left, node.right], node)
        if isinstance(node.op, ast.Mult):
            return self.of(node.left) * self.of(node.right)
        return self._sum([node.left, node.right]) if isinstance(node.op, _ARITHMETIC) else self._unknown(node)

    def _compare(self, node: ast.Compare) -> _Extent:
        known = all(isinstance(one, _COMPARISONS) for one in node.ops)
        return self._sum([node.left, *node.comparators]) if known else self._unknown(node)

    def _all(self, node: ast.BoolOp) -> _Extent:
        return self._sum(node.values)

    def _call(self, node: ast.Call) -> _Extent:
        name = ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
        if node.keywords or not node.args or any(isinstance(one, ast.Starred) for one in node.args):
            self._unknown(node)
        if name in _POWERS:
            return self._power(node.args, node)
        if name in _PRODUCTS:
            return reduce(operator.mul, map(self.of, node.args))
        if name in _SUMS:
            return self._sum(node.args)
        if name in _FUNCTIONS or (self._leaf is _input_question and name in _GUARD_FUNCTIONS):
            # One term, whatever is inside.
            return _Extent(self._sum(node.args).bits)
        return self._unknown(node)

    def _sum(self, parts: list[ast.expr]) -> _Extent:
        extents = [self.of(part) for part in parts]
        return _Extent(max(one.bits for one in extents) + len(parts), sum(one.terms for one in extents))

    def _power(self, parts: list[ast.expr], node: ast.expr) -> _Extent:
        exponent = _literal(parts[1]) if len(parts) == 2 else None
        if exponent is None or abs(exponent) > _MOST_POWER:
            self._unknown(node)
        factors = max(1, math.ceil(abs(exponent)))
        base = self.of(parts[0])
        return _Extent(base.bits * factors + _MOST_POWER, base.terms**factors)


_RULES: Final[Mapping[type[ast.expr], Callable[..., _Extent]]] = {
    ast.Constant: _Walker._constant,  # noqa: SLF001
    ast.Name: _Walker._name,  # noqa: SLF001
    ast.UnaryOp: _Walker._unary,  # noqa: SLF001
    ast.BinOp: _Walker._binary,  # noqa: SLF001
    ast.Compare: _Walker._compare,  # noqa: SLF001
    ast.BoolOp: _Walker._all,  # noqa: SLF001
    ast.Call: _Walker._call,  # noqa: SLF001
}


def _literal(node: ast.expr) -> float | None:
    """The number that `node` is: 2, -1, Integer(2), Rational(1, 2), Float('0.5', precision=53)."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _literal(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant):
        plain = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return node.value if plain else None  # type: ignore[return-value]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if _is_float(node):
            return float(node.args[0].value)  # type: ignore[attr-defined]
        parts = [_literal(one) for one in node.args]
        if node.func.id == "Integer" and len(parts) == 1:
            return parts[0]
        if node.func.id == "Rational" and len(parts) == 2 and parts[0] is not None and parts[1]:
            return parts[0] / parts[1]
    return None


def _symbol_call(node: ast.expr) -> bool:
    """`Symbol('s0', positive=True, integer=True)` or `Float('0.5', precision=53)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    if node.func.id != "Symbol":
        return _is_float(node)
    return (
        len(node.args) == 1
        and _is_text(node.args[0], r"[A-Za-z_]\w{0,40}")
        and all(
            one.arg in _ASSUMPTIONS and isinstance(one.value, ast.Constant) and type(one.value.value) is bool
            for one in node.keywords
        )
    )


def _is_float(node: ast.Call) -> bool:
    return (
        isinstance(node.func, ast.Name)
        and node.func.id == "Float"
        and len(node.args) == 1
        and _is_text(node.args[0], r"-?\d{1,40}(\.\d{0,40})?(e[+-]?\d{1,3})?")
        and all(one.arg in {"precision", "dps"} and isinstance(one.value, ast.Constant) for one in node.keywords)
    )


def _is_text(node: ast.expr, pattern: str) -> bool:
    found = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return found and re.fullmatch(pattern, node.value, re.ASCII) is not None  # type: ignore[attr-defined]


def _input_question(node: ast.expr) -> bool:
    """`L['x'][0].size()[2]`, or `L['x']` alone."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return type(node.slice.value) in {int, str} and (_is_inputs(node.value) or _input_question(node.value))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        asked = node.func.attr in _QUESTIONS and not node.args and not node.keywords
        return asked and _input_question(node.func.value)
    return False


def _is_inputs(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "L"
