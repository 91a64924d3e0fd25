"""Numbers that are not known yet: what a function does with them is written down instead of done.

>>> tape = Tape()
>>> k = tape.variable("k")
>>> tape.trace(lambda: max(k, 3) * 2)
<if>
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

#: Ways through one function, each with its own answers to the conditions that it asks.
_MOST_WAYS: Final = 100
_COMPARISONS: Final = frozenset({"<", "<=", ">", ">=", "==", "!="})
#: What changes nothing on the right, and where the order does not matter on the left too.
_NEUTRAL: Final[Mapping[str, int]] = {"+": 0, "-": 0, "*": 1, "//": 1}
_EITHER_SIDE: Final = frozenset({"+", "*"})


class UntraceableError(Exception):
    """The function asks more of its numbers than can be written down."""


class _UndecidedError(BaseException):
    """The way to go on depends on a number. Not an `Exception`, for the function itself must not catch it."""

    def __init__(self, condition: Symbol) -> None:
        super().__init__()
        self.condition = condition


def _operation(sign: str, *, reflected: bool = False) -> Callable[[Symbol, Any], Any]:
    """What an operator does with a symbol: it is written down."""

    def noted(one: Symbol, other: Any) -> Any:
        return one.tape.binary(sign, *((other, one) if reflected else (one, other)))

    return noted


class Symbol:
    """A number, or the answer to a comparison, that is known when the program runs: `operation` on `parts`.

    `parts` are other symbols and plain numbers; of a variable, its name. `truth` where it is an answer.
    """

    __slots__ = ("index", "operation", "parts", "tape", "truth")
    #: Two of them may turn out to be equal, so that none can be looked up.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tape: Tape, index: int, operation: str, parts: tuple[Any, ...], *, truth: bool) -> None:
        self.tape, self.index, self.operation, self.parts, self.truth = tape, index, operation, parts, truth

    def __repr__(self) -> str:
        return f"<{self.operation}>"

    def __bool__(self) -> bool:
        return self.tape.decided(self)

    __add__, __radd__ = _operation("+"), _operation("+", reflected=True)
    __sub__, __rsub__ = _operation("-"), _operation("-", reflected=True)
    __mul__, __rmul__ = _operation("*"), _operation("*", reflected=True)
    __floordiv__, __rfloordiv__ = _operation("//"), _operation("//", reflected=True)
    __truediv__, __rtruediv__ = _operation("/"), _operation("/", reflected=True)
    __mod__ = _operation("%")
    __lt__, __le__, __gt__, __ge__ = map(_operation, ("<", "<=", ">", ">="))
    __eq__, __ne__ = map(_operation, ("==", "!="))

    def __neg__(self) -> Any:
        return self.tape.binary("-", 0, self)


class Fork(NamedTuple):
    """What a function returns where `condition` holds, and where not."""

    condition: Symbol
    yes: Any
    no: Any


class Tape:
    """The symbols of one program. The same operation on the same parts is the same symbol."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[Any, ...], Symbol] = {}
        self._assumed: dict[int, bool] = {}
        self._known: Mapping[int, bool] = {}

    def variable(self, name: str) -> Symbol:
        """A number that the program is handed."""
        return self._symbol("variable", (name,), truth=False)

    def assume(self, condition: Symbol, *, holds: bool) -> None:
        """All that is traced from here on may rely on it."""
        self._assumed[condition.index] = holds

    def decided(self, condition: Symbol) -> bool:
        """The answer on the way that is being followed."""
        if condition.index not in self._known:
            raise _UndecidedError(condition)
        return self._known[condition.index]

    def binary(self, operation: str, left: Any, right: Any) -> Any:
        """The symbol of an operation on two numbers."""
        for part in (left, right):
            if not isinstance(part, Symbol) and type(part) not in {int, float}:
                return NotImplemented
        neutral = _NEUTRAL.get(operation)
        if type(right) is int and right == neutral:
            return left
        if operation in _EITHER_SIDE and not isinstance(left, Symbol):
            if left == neutral and type(left) is int:
                return right
            # Numbers stand to the right, and those of a product, whole as they are, become one.
            left, right = right, left
        if operation == "*" and type(right) is int and left.operation == "*" and type(left.parts[1]) is int:
            left, right = left.parts[0], left.parts[1] * right
        return self._symbol(operation, (left, right), truth=operation in _COMPARISONS)

    def trace(self, function: Callable[[], Any]) -> Any:
        """What `function` returns, as one symbol where it depends on any.

        Raises:
            UntraceableError: it returns different things on different ways that are no numbers.
        """
        return self._merged(self.ways(function))

    def ways(self, function: Callable[[], Any]) -> Any:
        """What `function` returns: as it is where it asks no condition, else the ways through it as `Fork`s."""
        left = [_MOST_WAYS]

        def follow(path: Mapping[int, bool]) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise UntraceableError
            self._known = {**self._assumed, **path}
            try:
                return function()
            except _UndecidedError as error:
                condition = error.condition
            finally:
                self._known = {}
            return Fork(condition, follow({**path, condition.index: True}), follow({**path, condition.index: False}))

        return follow({})

    def _merged(self, found: Any) -> Any:
        if not isinstance(found, Fork):
            return found
        yes, no = self._merged(found.yes), self._merged(found.no)
        if yes is no or (type(yes) is type(no) is not Symbol and yes == no):
            return yes
        if yes is True and no is False:
            return found.condition
        truths = {one.truth if isinstance(one, Symbol) else isinstance(one, bool) for one in (yes, no)}
        if len(truths) > 1 or any(not isinstance(one, Symbol | int | float) for one in (yes, no)):
            raise UntraceableError
        return self._symbol("if", (found.condition, yes, no), truth=truths == {True})

    def _symbol(self, operation: str, parts: tuple[Any, ...], *, truth: bool) -> Symbol:
        # 1, 1.0 and True are equal, and not the same number.
        key = (operation, *(("symbol", p.index) if isinstance(p, Symbol) else (type(p), p) for p in parts))
        if key not in self._symbols:
            self._symbols[key] = Symbol(self, len(self._symbols), operation, parts, truth=truth)
        return self._symbols[key]
