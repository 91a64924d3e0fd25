"""`--where 'macs.ratio < 6 and k >= 64'`: a small part of Python's expressions, over keys.

Python's own parser reads it, and what is not in `_Reader` is refused: there are keys, numbers, 'texts', true and false,
+ - * /, comparisons, and, or, not. Nothing is ever evaluated but the functions below.

What was not measured, and what is divided by zero, has no value; a comparison with it is false.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, NoReturn

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.keys import Kind, Value
from dsconv_cli.sweep.keys import KEYS, is_measured, resolve

Operation = Callable[[Any, Any], Any]
Evaluation = Callable[[Comparison], Any]

_COMPARISONS: Final[Mapping[type[ast.cmpop], Operation]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
#: What may be asked of values that have no order.
_EQUALITY: Final = (ast.Eq, ast.NotEq)
_ARITHMETIC: Final[Mapping[type[ast.operator], Operation]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
#: Decimal, as everywhere else in this program: no 0x10, no 1_000.
_NUMBER: Final = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NAMES: Final[Mapping[Kind, str]] = {"number": "a number", "text": "text", "truth": "a condition"}
#: Deeper and longer than anyone writes, and far from Python's own limits.
_MAX_DEPTH: Final = 50
_MAX_LENGTH: Final = 10_000
_MAX_DIGITS: Final = 40
_TOO_DEEP: Final = f"it is nested more than {_MAX_DEPTH} deep"


class _Term(NamedTuple):
    """A part of the expression: what it yields, and how."""

    kind: Kind
    value: Evaluation


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed `--where`. `keys` are those it reads."""

    keys: tuple[str, ...]
    holds: Callable[[Comparison], bool]


def parse_where(*texts: str) -> Condition:
    """The condition that all of `texts` hold.

    >>> parse_where("macs.ratio < 6 and k >= 64").keys
    ('macs.ratio', 'spec.k')

    Raises:
        DsconvError: a text is no condition; the message says where.
    """
    read = [_Reader(text) for text in texts]
    conditions = [reader.whole() for reader in read]
    keys = tuple(dict.fromkeys(key for reader in read for key in reader.keys))
    return Condition(keys, _joined(all, conditions))


class _Reader(ast.NodeVisitor):
    """The nodes of one text as terms; a node without a method here is refused."""

    def __init__(self, text: str) -> None:
        # Line ends mean nothing here, and Python would end the expression at one.
        self.text = re.sub(r"\s", " ", text).strip()
        self.keys: dict[str, None] = {}
        self.depth = 0

    def whole(self) -> Evaluation:
        """What the text says of a comparison."""
        return self.need("truth", self.visit(self.parsed()), "the whole must be a condition, such as macs.ratio < 6")

    def parsed(self) -> ast.expr:
        if len(self.text) > _MAX_LENGTH:
            self.fail(f"it is longer than {_MAX_LENGTH} characters")
        if not self.text.isprintable():
            self.fail("it holds something that is not text")
        if re.search(rf"\d{{{_MAX_DIGITS + 1}}}", self.text):
            self.fail(f"a number of more than {_MAX_DIGITS} digits is too large a number")
        try:
            with warnings.catch_warnings():
                # `1and k` is a number and a word to Python, with a warning that nobody should see.
                warnings.simplefilter("error")
                return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            self.fail(self.reason(error))
        except (MemoryError, RecursionError):
            self.fail(_TOO_DEEP)

    def reason(self, error: SyntaxError) -> str:
        place = error.offset or 0
        if "parentheses" in error.msg:
            return _TOO_DEEP
        if "never closed" in error.msg:
            return "a parenthesis is not closed"
        if not 0 < place <= len(self.text):
            return f"it ends too early{self.hint()}"
        return f"{quoted(self.text[place - 1 : place + 11])} is not expected here{self.hint()}"

    def hint(self) -> str:
        """What is meant by signs of other languages."""
        if re.search(r"(?<![<>=!:])=(?!=)", self.text):
            return "; equality is =="
        return "; write and, or, not" if re.search(r"[&|]|!(?!=)", self.text) else ""

    def fail(self, why: str) -> NoReturn:
        raise DsconvError(f"--where {quoted(self.text)}: {why}")

    def generic_visit(self, node: ast.AST) -> NoReturn:
        self.fail(f"{self.quoted(node)} is not expected here{self.hint()}")

    def quoted(self, node: ast.AST) -> str:
        """What stands in the text for `node`."""
        return quoted(ast.get_source_segment(self.text, node) or "")

    def visit(self, node: ast.AST) -> _Term:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.fail(_TOO_DEEP)
        term: _Term = super().visit(node)
        self.depth -= 1
        return term

    def need(self, kind: Kind, term: _Term, why: str) -> Evaluation:
        if term.kind != kind:
            self.fail(why)
        return term.value

    def visit_BoolOp(self, node: ast.BoolOp) -> _Term:
        word, every = ("and", all) if isinstance(node.op, ast.And) else ("or", any)
        why = f"both sides of {word!r} must be conditions"
        return _Term("truth", _joined(every, [self.need("truth", self.visit(part), why) for part in node.values]))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> _Term:
        if isinstance(node.op, ast.Not):
            inner = self.need("truth", self.visit(node.operand), "'not' must be followed by a condition")
            return _Term("truth", lambda one: not inner(one))
        if not isinstance(node.op, ast.USub):
            self.generic_visit(node)
        term = self.visit(node.operand)
        number = self.need("number", term, f"'-' takes a number, not {_NAMES[term.kind]}")
        return _Term("number", _applied(operator.sub, lambda _: 0, number))

    def visit_BinOp(self, node: ast.BinOp) -> _Term:
        if type(node.op) not in _ARITHMETIC:
            self.generic_visit(node)
        terms = (self.visit(node.left), self.visit(node.right))
        left, right = (
            self.need("number", term, f"{self.quoted(node)}: it takes numbers, not {_NAMES[term.kind]}")
            for term in terms
        )
        return _Term("number", _applied(_ARITHMETIC[type(node.op)], left, right))

    def visit_Compare(self, node: ast.Compare) -> _Term:
        terms = [self.visit(part) for part in (node.left, *node.comparators)]
        parts: list[Evaluation] = []
        for sign, (left, right) in zip(node.ops, pairwise(terms), strict=True):
            if type(sign) not in _COMPARISONS:
                self.generic_visit(node)
            if left.kind != right.kind or (left.kind != "number" and not isinstance(sign, _EQUALITY)):
                self.fail(f"{self.quoted(node)} cannot compare {_NAMES[left.kind]} with {_NAMES[right.kind]}")
            parts.append(_applied(_COMPARISONS[type(sign)], left.value, right.value, False))
        return _Term("truth", _joined(all, parts))

    def visit_Constant(self, node: ast.Constant) -> _Term:
        value, written = node.value, ast.get_source_segment(self.text, node) or ""
        if isinstance(value, str) and written in {f"'{value}'", f'"{value}"'}:
            return _Term("text", lambda _: value)
        if not isinstance(value, int | float) or not _NUMBER.fullmatch(written):
            self.generic_visit(node)
        if not math.isfinite(value):
            self.fail(f"{quoted(written)} is too large a number")
        return _Term("number", lambda _: value)

    def visit_Name(self, node: ast.Name) -> _Term:
        return self.key(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> _Term:
        names = [node.attr]
        inner = node.value
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        # How deep Python's own parser goes depends on the recursion limit, which torch's imports may change.
        if len(names) >= _MAX_DEPTH:
            self.fail(_TOO_DEEP)
        if not isinstance(inner, ast.Name):
            self.generic_visit(node)
        return self.key(".".join([inner.id, *reversed(names)]))

    def key(self, name: str) -> _Term:
        if name in {"true", "false"}:
            return _Term("truth", lambda _: name == "true")
        key = resolve(name, "--where")
        self.keys.setdefault(key)
        return _Term(KEYS[key].type.kind, _reader(key))

    def visit_Call(self, node: ast.Call) -> NoReturn:
        self.fail(f"there are no functions, and {self.quoted(node.func)} is followed by a parenthesis")


def _reader(key: str) -> Evaluation:
    if KEYS[key].type.kind == "truth":
        return lambda one: bool(KEYS.read(one, key))
    if KEYS[key].type.is_number and not is_measured(key):
        return KEYS[key].getter
    return lambda one: _plain(KEYS.read(one, key))


def _plain(value: Value) -> Value:
    """A pair as one number where both parts are equal; what is lopsided equals no number."""
    if isinstance(value, tuple):
        return value[0] if value and all(part == value[0] for part in value) else None
    return value


def _joined(every: Callable[..., bool], parts: list[Evaluation]) -> Callable[[Comparison], bool]:
    return parts[0] if len(parts) == 1 else lambda one: every(part(one) for part in parts)


def _applied(apply: Operation, left: Evaluation, right: Evaluation, without: bool | None = None) -> Evaluation:
    """What `apply` gives, and `without` where there is nothing that it could."""

    def result(one: Comparison) -> Any:
        a, b = left(one), right(one)
        if a is None or b is None:
            return without
        try:
            return apply(a, b)
        except (ZeroDivisionError, OverflowError):
            return without

    return result
