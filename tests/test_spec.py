from __future__ import annotations

import dataclasses
import inspect
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli import Bias, ConvSpec, SpecError
from dsconv_cli.layer.fields import FIELDS
from dsconv_cli.layer.reading import command_of, layer


@pytest.mark.parametrize(
    ("spec", "output"),
    [
        # ⌊(H + 2p − d(R−1) − 1) / s⌋ + 1, worked by hand
        (ConvSpec(8, 4), (56, 56)),
        (ConvSpec(8, 4, h=7, w=7, stride=2), (4, 4)),
        (ConvSpec(8, 4, h=224, w=224, stride=2), (112, 112)),
        (ConvSpec(8, 4, r=5, s=1, h=10, w=20, padding="valid"), (6, 20)),
        (ConvSpec(8, 4, r=2, s=2, h=10, w=10, padding="half"), (9, 9)),
        (ConvSpec(8, 4, r=2, s=2, h=10, w=10, padding="same"), (10, 10)),
        (ConvSpec(8, 4, r=4, s=3, h=10, w=11, padding="same"), (10, 11)),
        (ConvSpec(8, 4, h=10, w=10, dilation=2, padding="half"), (10, 10)),
        (ConvSpec(8, 4, h=10, w=10, dilation=(3, 1), padding="valid"), (4, 8)),
        (ConvSpec(8, 4, h=9, w=9, stride=(2, 1), padding=(1, 0)), (5, 7)),
        (ConvSpec(8, 4, r=9, s=9, h=3, w=3, padding=3), (1, 1)),
        (ConvSpec(1, 1, r=1, s=1, h=1, w=1), (1, 1)),
    ],
)
def test_output_size(spec, output):
    assert spec.output_size == output


def test_shapes_follow_the_depth_multiplier():
    spec = ConvSpec(8, 4, depth_multiplier=3, batch=2, h=5, w=6)
    assert (spec.input_shape, spec.intermediate_shape, spec.output_shape) == (
        (2, 4, 5, 6),
        (2, 12, 5, 6),
        (2, 8, 5, 6),
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 0}, "k must be a positive integer"),
        ({"c": -3}, "c must be a positive integer"),
        ({"r": 2.0}, "r must be a positive integer"),
        ({"s": True}, "s must be a positive integer"),
        ({"k": 2**63}, "at most 2^63 - 1"),
        ({"stride": 0}, "stride must be a positive integer"),
        ({"stride": (1, 2, 3)}, "stride must be one number or two"),
        ({"padding": -1}, "padding must be zero or a positive integer"),
        ({"padding": "full"}, "padding must be half, same, valid"),
        ({"padding": "same", "stride": 2}, "needs stride 1"),
        ({"dtype": "int4"}, "dtype must be one of float32"),
        ({"h": 2, "padding": "valid"}, "its height is 3, the padded input's only 2"),
        ({"w": 4, "dilation": 2, "padding": "valid"}, "its width is 5 (dilation 2), the padded input's only 4"),
        ({"bias": "no"}, "bias must be True, False or Bias(ordinary, depthwise, pointwise)"),
        ({"bias": (0, 1, 0)}, "bias must be True, False or Bias"),
        ({"padding": 0, "padding_end": (1, 1)}, "only padding 'same' may be lopsided"),
    ],
)
def test_impossible_layers_say_what_would_be_right(arguments, words):
    with pytest.raises(SpecError) as caught:
        ConvSpec(**{"k": 4, "c": 4, **arguments})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_bias_switch_or_three():
    assert ConvSpec(1, 1, bias=True).bias == Bias(True, True, True)
    assert ConvSpec(1, 1, bias=Bias(pointwise=True)).bias == Bias(False, False, True)
    assert ConvSpec(1, 1, bias=(False, False, True)).bias == Bias(False, False, True)


@pytest.mark.parametrize("padding", ["half", "same", "valid", 2, (0, 1)])
def test_replace_keeps_what_it_is_not_told(padding):
    spec = ConvSpec(4, 4, r=2, s=4, padding=padding)
    assert dataclasses.replace(spec, k=8) == ConvSpec(8, 4, r=2, s=4, padding=padding)


def test_specs_are_values():
    spec = ConvSpec(4, 4)
    assert {spec: 1}[ConvSpec(4, 4, padding=1)] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.k = 5


def test_the_table_of_fields_is_the_signature_of_the_spec():
    """The one fact that stands twice, for Python has to know the arguments too: names, order, defaults."""
    arguments = {name: one.default for name, one in inspect.signature(ConvSpec).parameters.items()}
    assert [name for name in FIELDS if not name.endswith("_bias")] == [
        name for name in arguments if name != "padding_end"
    ]
    for name, field in FIELDS.items():
        if field.kind != "flag":
            assert field.default == ("" if arguments[name] is inspect.Parameter.empty else str(arguments[name]))
    assert [f"{part}_bias" for part in Bias._fields] == [name for name in FIELDS if name.endswith("_bias")]


sizes = st.integers(1, 300)
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(
    st.fixed_dictionaries(
        {"k": sizes, "c": sizes, "r": st.integers(1, 5), "s": st.integers(1, 5)},
        optional={
            "h": st.integers(20, 99),
            "w": st.integers(20, 99),
            "batch": st.integers(1, 9),
            "stride": pairs,
            "dilation": pairs,
            "padding": st.sampled_from(["half", "valid", (1, 0), 3]),
            "depth_multiplier": st.integers(1, 4),
            "bias": st.builds(Bias, st.booleans(), st.booleans(), st.booleans()),
            "dtype": st.sampled_from(["float32", "float16"]),
        },
    )
)
def test_the_command_of_a_layer_makes_that_layer(arguments):
    spec = ConvSpec(**arguments)
    words = shlex.split(command_of(spec))[2:]
    texts, flags = {}, set()
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        if name.endswith("bias"):
            flags.add(name)
        else:
            texts[name] = words.pop(0)
    bias = Bias(*("bias" in flags or f"{part}_bias" in flags for part in Bias._fields))
    assert layer(texts, bias=bias) == spec
