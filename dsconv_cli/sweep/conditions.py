"""`--where 'macs.ratio < 6 and k >= 64'`: a small language over keys. Nothing in it can run code.

    condition   := conjunction {"or" conjunction}
    conjunction := negation {"and" negation}
    negation    := "not" negation | comparison
    comparison  := sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
    sum         := product {("+" | "-") product}
    product     := factor {("*" | "/") factor}
    factor      := "-" factor | number | 'text' | true | false | key | "(" condition ")"

What was not measured, and what is divided by zero, has no value; a comparison with it is false.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError
from dsconv_cli.keys import Kind, Value
from dsconv_cli.sweep.keys import resolve

Operation = Callable[[Any, Any], Any]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
          | (?P<text>'[^']*'|"[^"]*")
          | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
          | (?P<sign><=|>=|==|!=|[<>+\-*/()]))""",
    re.VERBOSE,
)
_COMPARISONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }
)
_SUMS: Final[Mapping[str, Operation]] = MappingProxyType({"+": operator.add, "-": operator.sub})
_PRODUCTS: Final[Mapping[str, Operation]] = MappingProxyType({"*": operator.mul, "/": operator.truediv})
_WORDS: Final = frozenset({"and", "or", "not", "true", "false"})
#: Deeper than anyone writes, and far from Python's own limit.
_MAX_DEPTH: Final = 50
_MAX_LENGTH: Final = 10_000


class _Term(NamedTuple):
    """A part of the expression: what it yields, and how."""

    kind: Kind
    value: Callable[[Comparison], Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed `--where`. `keys` are those it reads."""

    text: str
    keys: tuple[str, ...]
    holds: Callable[[Comparison], bool]


def parse_where(text: str) -> Condition:
    """The condition in `text`.

    Raises:
        DsconvError: the text is no condition; the message says where.
    """
    parser = _Parser(text)
    term = parser.condition()
    if parser.mark:
        parser.fail(f"{parser.mark!r} is not expected here")
    parser.need(term, "truth", "the whole must be a condition, such as macs.ratio < 6")
    return Condition(text, tuple(parser.keys), term.value)


class _Parser:
    """Recursive descent; each method reads one rule of the grammar above."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.keys: dict[str, None] = {}
        self.depth = 0
        self.end = 0
        self.mark = self.group = ""
        if len(text) > _MAX_LENGTH:
            self.fail(f"it is longer than {_MAX_LENGTH} characters")
        self.advance()

    def fail(self, why: str) -> None:
        shown = self.text if len(self.text) <= 60 else f"{self.text[:60]}…"
        raise DsconvError(f"--where {shown!r}: {why}")

    def need(self, term: _Term, kind: Kind, why: str) -> None:
        if term.kind != kind:
            self.fail(why)

    def advance(self) -> None:
        """The next token, or "" at the end."""
        match = _TOKEN.match(self.text, self.end)
        if match is None:
            rest = self.text[self.end :].strip()
            if rest:
                hint = "; equality is ==" if rest[0] == "=" else "; write and, or, not" if rest[0] in "&|!" else ""
                self.fail(f"{rest[:12]!r} is not expected here{hint}")
            self.mark = self.group = ""
            return
        self.end = match.end()
        self.group = match.lastgroup or ""
        self.mark = match[self.group]

    def condition(self) -> _Term:
        return self._joined("or", self.conjunction)

    def conjunction(self) -> _Term:
        return self._joined("and", self.negation)

    def _joined(self, word: str, part: Callable[[], _Term]) -> _Term:
        terms = [part()]
        while self.mark == word:
            self.advance()
            terms.append(part())
        if len(terms) == 1:
            return terms[0]
        for term in terms:
            self.need(term, "truth", f"both sides of {word!r} must be conditions")
        every = all if word == "and" else any
        return _Term("truth", lambda one: every(term.value(one) for term in terms))

    def negation(self) -> _Term:
        if self.mark != "not":
            return self.comparison()
        self.advance()
        term = self._deeper(self.negation)
        self.need(term, "truth", "'not' must be followed by a condition")
        return _Term("truth", lambda one: not term.value(one))

    def comparison(self) -> _Term:
        left = self.sum()
        if self.mark not in _COMPARISONS:
            return left
        sign = self.mark
        self.advance()
        right = self.sum()
        if self.mark in _COMPARISONS:
            self.fail("comparisons do not chain; join two with 'and'")
        if left.kind != right.kind or (left.kind != "number" and sign not in {"==", "!="}):
            self.fail(f"{sign!r} cannot compare {_NAMES[left.kind]} with {_NAMES[right.kind]}")
        return _Term("truth", _compare(_COMPARISONS[sign], left.value, right.value))

    def sum(self) -> _Term:
        return self._arithmetic(_SUMS, self.product)

    def product(self) -> _Term:
        return self._arithmetic(_PRODUCTS, self.factor)

    def _arithmetic(self, operations: Mapping[str, Operation], part: Callable[[], _Term]) -> _Term:
        left = part()
        while self.mark in operations:
            sign = self.mark
            self.advance()
            right = part()
            for term in (left, right):
                self.need(term, "number", f"{sign!r} takes numbers, not {_NAMES[term.kind]}")
            left = _Term("number", _calculate(operations[sign], left.value, right.value))
        return left

    def factor(self) -> _Term:
        mark, group = self.mark, self.group
        if not mark:
            self.fail("it ends too early")
        self.advance()
        if mark == "(":
            inner = self._deeper(self.condition)
            if self.mark != ")":
                self.fail("a parenthesis is not closed")
            self.advance()
            return inner
        if mark == "-":
            term = self._deeper(self.factor)
            self.need(term, "number", f"'-' takes a number, not {_NAMES[term.kind]}")
            return _Term("number", _calculate(operator.sub, lambda _: 0, term.value))
        return self._leaf(mark, group)

    def _leaf(self, mark: str, group: str) -> _Term:
        if group == "number":
            number = self._number(mark)
            return _Term("number", lambda _: number)
        if group == "text":
            return _Term("text", lambda _: mark[1:-1])
        if mark in {"true", "false"}:
            return _Term("truth", lambda _: mark == "true")
        if group != "name" or mark in _WORDS:
            self.fail(f"{mark!r} is not expected here")
        if self.mark == "(":
            self.fail(f"there are no functions, and {mark!r} is followed by a parenthesis")
        key = resolve(mark, "--where")
        self.keys.setdefault(key)
        return _Term(KEYS[key].type.kind, _reader(key))

    def _number(self, mark: str) -> float:
        if mark.isdigit() and len(mark) <= 40:
            return int(mark)
        number = float(mark)
        if not math.isfinite(number) or len(mark) > 40:
            self.fail(f"{mark[:12]} is too large a number")
        return number

    def _deeper(self, rule: Callable[[], _Term]) -> _Term:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.fail(f"it is nested more than {_MAX_DEPTH} deep")
        term = rule()
        self.depth -= 1
        return term


_NAMES: Final = {"number": "a number", "text": "text", "truth": "a condition"}


def _reader(key: str) -> Callable[[Comparison], Value]:
    if KEYS[key].type.kind == "truth":
        return lambda one: bool(KEYS.read(one, key))
    if key in _PLAIN:
        return KEYS[key].get
    return lambda one: _plain(KEYS.read(one, key))


#: Keys that are always there, and never of several parts.
_PLAIN: Final = frozenset(
    key for key in KEYS if key.partition(".")[0] in {"params", "macs", "traffic", "intensity"}
) | {"spec.k", "spec.c", "spec.r", "spec.s", "spec.h", "spec.w"}


def _plain(value: Value) -> Value:
    """A pair as one number where both parts are equal; what is lopsided equals no number."""
    if isinstance(value, tuple):
        return value[0] if len(set(value)) == 1 else None
    return value


def _compare(compare: Operation, left: Callable[[Any], Any], right: Callable[[Any], Any]) -> Callable[[Any], bool]:
    def result(one: Comparison) -> bool:
        a, b = left(one), right(one)
        return a is not None and b is not None and bool(compare(a, b))

    return result


def _calculate(apply: Operation, left: Callable[[Any], Any], right: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def result(one: Comparison) -> Any:
        a, b = left(one), right(one)
        if a is None or b is None:
            return None
        try:
            return apply(a, b)
        except (ZeroDivisionError, OverflowError):
            return None

    return result
