"""The keys of a layer and of its closed forms: sections of a comparison, and of each layer of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from dsconv_cli.keys import (
    ABOVE_ZERO,
    PAIR_FROM_ONE,
    PAIR_FROM_ZERO,
    POSITIVE,
    RATIO,
    SHAPE,
    TRUTH,
    Key,
    Section,
    Whole,
    one_of,
)
from dsconv_cli.layer.cost import COUNTED, FLOPS_PER_MAC, Cost, Counts
from dsconv_cli.layer.fields import FIELDS, Field
from dsconv_cli.layer.forms import FORMS, REFERENCE, REPLACEMENT
from dsconv_cli.layer.metrics import METRICS
from dsconv_cli.layer.spec import Bias, ConvSpec


def _spec(field: Field) -> Iterator[Key[ConvSpec]]:
    """What a document has of a field of the layer; of the biases it has what they come to, not how they were said."""
    name = field.name
    if field.kind == "flag":
        role = name.removesuffix("_bias")
        if role in Bias._fields:
            yield Key(f"bias.{role}", TRUTH, f"bias.{role}")
    elif field.kind == "word":
        yield Key(name, one_of(*field.words), name)
    elif field.kind == "number":
        yield Key(name, POSITIVE, name)
    elif name == "padding":
        yield Key(name, PAIR_FROM_ZERO, name, says="Rows above, columns to the left.")
        yield Key("padding_end", PAIR_FROM_ZERO, "padding_end", says=_END)
    else:
        yield Key(name, PAIR_FROM_ONE, name)


_END: Final = "Rows below, columns to the right; differs from padding only for 'same' with an even dilated kernel."

SPEC: Final[tuple[Key[ConvSpec], ...]] = tuple(key for field in FIELDS.values() for key in _spec(field))

SHAPES: Final[tuple[Key[ConvSpec], ...]] = tuple(
    Key(name, SHAPE, f"{name}_shape") for name in ("input", "intermediate", "output")
)


def ratio_key(form: str) -> str:
    """What the ratio of the reference to `form` is called: the replacement's is the one that all is about."""
    return "ratio" if form == REPLACEMENT else f"{form}_ratio"


def figures(
    name: str, counts: Callable[[Whole, str], Counts], parts: Iterable[str], unit: str = ""
) -> tuple[Key[Whole], ...]:
    """The keys of the metric `name`, which `counts` reads: a figure for each of `parts`, in `unit`, and ratios."""

    def figure(part: str) -> Callable[[Whole], int]:
        return lambda one: counts(one, name).figures[part]

    def ratio(form: str) -> Callable[[Whole], float]:
        """The nearest double to the exact quotient: dividing two integers rounds once."""
        return lambda one: counts(one, name).figures[REFERENCE] / counts(one, name).figures[form]

    return (
        *(Key(f"{name}.{part}", POSITIVE, figure(part), unit) for part in parts),
        *(
            Key(f"{name}.{ratio_key(form)}", RATIO, ratio(form), f"{REFERENCE} / {form}" if unit else "")
            for form in FORMS
            if form != REFERENCE
        ),
    )


def _intensity(part: str) -> Key[Cost]:
    def per_byte(one: Cost) -> float:
        return FLOPS_PER_MAC * one.metrics["macs"].figures[part] / one.metrics["traffic"].figures[part]

    return Key(f"intensity.{part}", ABOVE_ZERO, per_byte, "FLOPs per byte of traffic")


COUNTS: Final[tuple[Key[Cost], ...]] = (
    *(key for one in METRICS.values() for key in figures(one.name, Cost.__getitem__, COUNTED, one.unit)),
    *(_intensity(part) for part in COUNTED),
)

SECTIONS: Final[tuple[Section[Any], ...]] = (
    Section(
        "spec",
        "The layer: K output channels, C input channels, an R x S kernel, on an N x C x H x W input. Pairs are height, "
        "width.",
    ),
    Section("shapes", "N, C, H, W."),
    *(Section(metric.name, metric.says) for metric in METRICS.values()),
    Section("intensity", "FLOPs per byte of traffic."),
)
