"""`--zip`: what ties one value of a layer to another, and which lists are walked in step."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.fields import FIELDS, MAX_DIMENSION, NUMBERS
from dsconv_cli.layer.reading import integer
from dsconv_cli.sweep.axes import Axis

_TIE: Final = re.compile(
    r"(?P<target>\w+)=(?:(?P<before>[0-9]+)\*)?(?P<source>[a-z_]\w*)(?:(?P<sign>[*/])(?P<after>[0-9]+))?"
)
_FORMS: Final = "takes c=k (also c=k/2, c=2*k), or k,c to walk two lists in step"


@dataclass(frozen=True, slots=True)
class Tie:
    """`target` is always `source` · `times` ÷ `over`."""

    target: str
    source: str
    times: int = 1
    over: int = 1

    def of(self, value: int) -> int:
        """The target's value where the source has `value`."""
        return value * self.times // self.over

    def __str__(self) -> str:
        times = f"{self.times}*" if self.times != 1 else ""
        return f"{self.target}={times}{self.source}{f'/{self.over}' if self.over != 1 else ''}"


@dataclass(frozen=True, slots=True)
class Zips:
    """All of `--zip`: ties, and names whose lists are walked in step."""

    ties: tuple[Tie, ...] = ()
    steps: tuple[tuple[str, ...], ...] = ()

    @property
    def targets(self) -> frozenset[str]:
        """The names whose values follow from others."""
        return frozenset(tie.target for tie in self.ties)


def parse_zips(texts: Sequence[str], given: Collection[str] = ()) -> Zips:
    """`["c=k/2", "h,w"]` as ties and steps; `given` are the names that have values of their own.

    >>> [str(tie) for tie in parse_zips(["c = k/2"]).ties]
    ['c=k/2']
    """
    split = [(text, text.replace(" ", "").replace("-", "_")) for text in texts]
    zips = Zips(
        tuple(_tie(text, squeezed) for text, squeezed in split if "=" in squeezed),
        tuple(_step(text, squeezed) for text, squeezed in split if "=" not in squeezed),
    )
    named = [*(tie.target for tie in zips.ties), *(name for step in zips.steps for name in step)]
    for name in named:
        if named.count(name) > 1:
            raise DsconvError(f"--zip sets {name} twice")
    for tie in zips.ties:
        if tie.target in given:
            raise DsconvError(f"--zip {tie} sets {tie.target}, which has a value of its own; drop one of the two")
    return zips


def _tie(text: str, squeezed: str) -> Tie:
    match = _TIE.fullmatch(squeezed)
    if match is None or (match["before"] and match["after"]):
        raise DsconvError(f"--zip {quoted(text)}: it {_FORMS}")
    for name in (match["target"], match["source"]):
        _check_name(name, text)
    number = integer(match["before"] or match["after"] or "1", f"--zip {quoted(text)}: the factor")
    return Tie(match["target"], match["source"], *((1, number) if match["sign"] == "/" else (number, 1)))


def _step(text: str, squeezed: str) -> tuple[str, ...]:
    names = tuple(squeezed.split(","))
    for name in names:
        _check_name(name, text)
    if len(names) < 2:
        raise DsconvError(f"--zip {quoted(text)}: it {_FORMS}")
    return names


def _check_name(name: str, text: str) -> None:
    if name not in NUMBERS:
        raise DsconvError(f"--zip {quoted(text)}: {quoted(name)} cannot be tied; names are {', '.join(NUMBERS)}")


def in_order(ties: Collection[Tie], known: Collection[str]) -> Iterator[Tie]:
    """Ties so that each source is known before it is used; refused where one never is."""
    met, waiting = set(known), list(ties)
    while waiting:
        ready = [tie for tie in waiting if tie.source in met]
        if not ready:
            lost = [tie for tie in waiting if tie.source not in {tie.target for tie in waiting}]
            if lost:
                raise DsconvError(
                    f"--zip {lost[0]}: {lost[0].source} has no value; give {FIELDS[lost[0].source].option}"
                )
            raise DsconvError(f"--zip goes round in a circle: {', '.join(map(str, waiting))}")
        yield from ready
        met.update(tie.target for tie in ready)
        waiting = [tie for tie in waiting if tie not in ready]


def check_values(ties: Collection[Tie], axes: Mapping[str, Axis]) -> None:
    """Refuse, of `ties` in their order, what gives a fraction or no dimension of a tensor."""
    largest = {name: axis.largest for name, axis in axes.items() if name in NUMBERS}
    for tie in ties:
        if tie.source in largest:
            largest[tie.target] = tie.of(largest[tie.source])
            if largest[tie.target] > MAX_DIMENSION:
                raise DsconvError(
                    f"--zip {tie}: {tie.source} is {largest[tie.source]} in one layer, which makes {tie.target} larger "
                    "than 2^63 - 1, the largest dimension a tensor can have"
                )
        if tie.over == 1:
            continue
        if tie.source not in axes:
            why = "is tied itself" if tie.source in {one.target for one in ties} else "comes from the file"
            raise DsconvError(f"--zip {tie}: only a value that is given can be divided, and {tie.source} {why}")
        odd = axes[tie.source].first_not_divisible(tie.over)
        if odd is not None:
            raise DsconvError(f"--zip {tie}: {tie.source} is {odd} in one layer, which {tie.over} does not divide")
