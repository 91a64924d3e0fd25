"""Who counts on the modules that are built, and what is made of their answers.

Each profiler is one entry of `PROFILERS`; torch is loaded only when one is asked.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from dsconv_cli.environment import distribution_of, thop_distribution
from dsconv_cli.errors import CannotMeasureError, DsconvError, first_line, loading
from dsconv_cli.layer.cost import Cost, Counts
from dsconv_cli.layer.forms import FORMS
from dsconv_cli.layer.spec import ConvSpec

#: Integers above this are not all doubles, and thop counts in doubles.
EXACT_DOUBLE: Final = 2**53
#: thop rounds each convolution's count once and their sum once: a few half-ulps of 2^-53.
_THOP_PRECISION: Final = 4 * 2.0**-53
#: torch's sizes, and the integers that go into its tensors, are signed 64-bit.
MAX_COUNT: Final = 2**63 - 1

#: What to do where nothing can count.
INSTEAD: Final = "--profiler none needs only formulas, exact at any size"


class FormCount(NamedTuple):
    """One program's counts on one form, and the output shape that torch gave."""

    params: int
    macs: int
    output_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a profiler counted on the modules that were built: a figure for each form, which agrees with the formulas.

    `exact` is False where it counts in doubles and a count is above 2^53, so that agreement means agreement
    within that precision. `counters` names the distributions that answered.
    """

    profiler: str
    params: Counts
    macs: Counts
    exact: bool
    counters: tuple[str, ...]


def _thop(spec: ConvSpec, form: str) -> FormCount:
    from dsconv_cli.counting.thop_counter import count

    return count(spec, form)


def _torch(spec: ConvSpec, form: str) -> FormCount:
    from dsconv_cli.counting.torch_counter import count

    return count(spec, form)


class Profiler(NamedTuple):
    """A program that counts, how exactly it does (the relative error of its sums), and which distribution answered."""

    ask: Callable[[ConvSpec, str], FormCount]
    precision: float
    distribution: Callable[[], str]


#: A new profiler is one more entry.
PROFILERS: Final[Mapping[str, Profiler]] = MappingProxyType(
    {
        "thop": Profiler(_thop, _THOP_PRECISION, thop_distribution),
        "torch": Profiler(_torch, 0.0, lambda: distribution_of("torch")),
    }
)

#: Words that stand for several of them, or for none. Where several count, the last one's figures are told.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"both": ("thop", "torch"), "none": ()})


def choices() -> tuple[str, ...]:
    """What `--profiler` takes."""
    return (*PROFILERS, *GROUPS)


def check_choice(choice: str) -> tuple[str, ...]:
    """The profilers that `choice` means.

    Raises:
        DsconvError: it means none.
    """
    if choice in GROUPS:
        return GROUPS[choice]
    if choice not in PROFILERS:
        raise DsconvError(f"profiler must be one of {', '.join(choices())}, not {choice!r}")
    return (choice,)


def refuse_uncountable(spec: ConvSpec, closed: Cost, choice: str) -> None:
    """Refuse a layer that no program can hold, which needs none of them to know.

    Raises:
        CannotMeasureError: a count or a tensor's size is above `MAX_COUNT`.
    """
    names = check_choice(choice)
    shapes = (spec.input_shape, spec.intermediate_shape, spec.output_shape)
    for form in FORMS if names else ():
        largest = max(closed.macs[form], closed.params[form], *map(math.prod, shapes))
        if largest > MAX_COUNT:
            cannot = f"{names[0]} cannot" if len(names) == 1 else f"neither {' nor '.join(names)} can"
            raise CannotMeasureError(
                f"{cannot} hold this layer: the {form} form needs a count of {largest:.3g}, "
                f"above 2^63 - 1 = {MAX_COUNT:.3g}; {INSTEAD}"
            )


def load() -> None:
    """Load what every profiler needs, which takes a second.

    Raises:
        CannotMeasureError: torch is missing or broken.
    """
    with loading("torch", instead=INSTEAD):
        import torch  # noqa: F401


def count(spec: ConvSpec, closed: Cost, choice: str) -> Counted | None:
    """Count both forms with `choice` and hold the counts against the closed forms; None for "none".

    Raises:
        DsconvError: there is no such profiler.
        CannotMeasureError: a program cannot hold the layer, or its count or shape is not the computed one.
    """
    names = check_choice(choice)
    if not names:
        return None
    refuse_uncountable(spec, closed, choice)
    load()
    for name in names:
        counted = {form: _count(name, spec, form) for form in FORMS}
        for form, one in counted.items():
            if one.output_shape != spec.output_shape:
                raise CannotMeasureError(
                    f"shapes disagree: torch gave {_times(one.output_shape)} for the {form} form under {name}, "
                    f"computed was {_times(spec.output_shape)}"
                )
            _check_count(name, "parameters", form, one.params, closed.params[form])
            _check_count(name, "MACs", form, one.macs, closed.macs[form])
    return Counted(
        profiler=choice,
        params=Counts({form: one.params for form, one in counted.items()}),
        macs=Counts({form: one.macs for form, one in counted.items()}),
        exact=all(PROFILERS[one].precision == 0 for one in names) or _largest(closed) <= EXACT_DOUBLE,
        counters=tuple(PROFILERS[name].distribution() for name in names),
    )


def _count(name: str, spec: ConvSpec, form: str) -> FormCount:
    try:
        with warnings.catch_warnings():
            # torch warns that `same` with an even kernel may copy its input, thop that it uses distutils: both are
            # true, and no news to someone who counts.
            warnings.simplefilter("ignore")
            return PROFILERS[name].ask(spec, form)
    except ImportError as error:
        raise CannotMeasureError(f"{name} cannot be imported ({error}); pip install {name}; {INSTEAD}") from error
    except Exception as error:
        raise CannotMeasureError(f"{name} could not count the {form} form ({first_line(error)}); {INSTEAD}") from error


def _check_count(name: str, metric: str, form: str, counted: int, expected: int) -> None:
    if abs(counted - expected) > PROFILERS[name].precision * expected or (
        expected <= EXACT_DOUBLE and counted != expected
    ):
        raise CannotMeasureError(
            f"counters disagree: {name} counts {counted:,} {metric} for the {form} form, the formula gives {expected:,}"
        )


def _largest(closed: Cost) -> int:
    return max(max(closed.params[form], closed.macs[form]) for form in FORMS)


def _times(shape: tuple[Any, ...]) -> str:
    return "x".join(str(size) for size in shape)
