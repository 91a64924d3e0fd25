"""Runtimes side by side, as a page says it: what each sentence needs to be said."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from fakes import timing

from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.report.compare import page
from dsconv_cli.report.markdown import lines_of as markdown
from dsconv_cli.report.page import View
from dsconv_cli.report.runtimes import section, sentences
from dsconv_cli.report.table import render
from dsconv_cli.timing.result import Executed, Interval, PerOperator, Times

LAYER = closed_forms(ConvSpec(64, 32, h=32, w=32))
ROUND = "The runtime decides, not the layer"
KERNEL = "LiteRT has no fast kernel for this depthwise convolution"
CALL = "On LiteRT a call alone costs"
REPACKED = (
    "PyTorch puts the weights of the ordinary form, 99% of the bytes that it moves, in another order at every call"
)


def on(name, **more):
    return timing(runtime=Executed(name, "9.9"), **more)


def compared(**timings):
    return LAYER.with_times(Times(timings, {name: "it broke" for name, one in timings.items() if one is None}))


SLOWER = {"verdict": "slower", "speedup": Interval(0.5, 0.4, 0.6, 0.95)}


@pytest.mark.parametrize(
    ("litert", "said", "unsaid"),
    [
        ({}, [], [ROUND, KERNEL, CALL]),
        (SLOWER, ["faster on ONNX Runtime and slower on LiteRT"], [KERNEL, CALL]),
        ({"verdict": "no detectable difference"}, [], [ROUND]),
        # 80 µs on ONNX Runtime, of which the call is 1 µs: four times 79 is 316.
        ({"depthwise_s": 318e-6}, [KERNEL], [ROUND, CALL]),
        ({"depthwise_s": 316e-6}, [], [KERNEL]),
        # The call is most of it: what is left says nothing of kernels.
        ({"depthwise_s": 4e-4, "fixed_s": PerOperator(1e-6, 2.1e-4, 1e-6)}, [CALL], [KERNEL]),
        ({"fixed_s": PerOperator(1e-6, 74e-6, 1e-6)}, [], [CALL]),
        ({"fixed_s": PerOperator(1e-6, 1e-6, 76e-6)}, [CALL], []),
        ({"fixed_s": None}, [], [CALL]),
        # What a call costs is not known, or the ratio only to a quarter: nothing is explained.
        ({"depthwise_s": 318e-6, "fixed_s": None}, [], [KERNEL]),
        ({"depthwise_s": 318e-6, "speedup": Interval(2.6, 2.1, 3.2, 0.95)}, [], [KERNEL]),
    ],
)
def test_each_sentence_has_its_condition(litert, said, unsaid):
    there = {"onnxruntime": on("onnxruntime"), "litert": on("litert", **litert)}
    text = " ".join(sentences(LAYER.cost, there))
    assert [one for one in said if one not in text] == []
    assert [one for one in unsaid if one in text] == []


@pytest.mark.parametrize(
    ("size", "torch_s", "backend", "said"),
    [
        # 9·1024·1024 weights, and 2·1024·7·7 numbers go in and out: 98.9 % of the bytes.
        (7, 601e-6, "Mkldnn", True),
        (7, 599e-6, "Mkldnn", False),
        (7, 601e-6, "Slow2d", False),
        # 2·1024·56·56 numbers: 60 %.
        (56, 601e-6, "Mkldnn", False),
    ],
)
def test_weights_put_in_order_at_each_call(size, torch_s, backend, said):
    """Half as long again as on ONNX Runtime, which takes 400 µs, is what they are named for."""
    cost = closed_forms(ConvSpec(1024, 1024, h=size, w=size)).cost
    regime = replace(timing().regime, backends=PerOperator(backend, "Mkldnn", "Mkldnn"))
    there = {"torch": on("torch", ordinary_s=torch_s, regime=regime), "onnxruntime": on("onnxruntime")}
    assert any(one.startswith(REPACKED) for one in sentences(cost, there)) == said


@pytest.mark.parametrize(
    ("dtype", "precision", "said"),
    [
        ("float32", "float32", ""),
        ("float32", "f32", ""),
        ("int8", "u8 i8", ""),
        ("float32", "bf16", "LiteRT computes in bf16, not in float32."),
        ("int8", "u8 f32", "LiteRT computes a part of it in f32, not in int8."),
        ("float32", "", ""),
    ],
)
def test_another_precision_is_named(dtype, precision, said):
    there = {"litert": timing(dtype=dtype, runtime=Executed("litert", "9.9", precision))}
    told = [one for one in sentences(LAYER.cost, there) if "computes" in one]
    assert told == ([said] if said else [])


def test_a_row_a_runtime_and_one_that_failed():
    both = compared(onnxruntime=on("onnxruntime"), litert=None, ncnn=on("ncnn", reliable=False, **SLOWER))
    _, layouts, *_, built = section(both)
    assert built.text.startswith("Building took ONNX Runtime 0 ")
    table, narrow = layouts.tables
    assert [row[0].text for row in narrow.rows] == ["ONNX Runtime", "LiteRT", "ncnn"]
    assert [row[-1].text for row in narrow.rows] == ["faster", "failed", "slower, unsure"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["ONNX Runtime 9.9", "400 µs", "150 µs", "2.60×", "2.50× to 2.70×", "faster"],
        ["LiteRT", "", "", "", "", "failed"],
        ["ncnn 9.9", "400 µs", "150 µs", "0.500×", "0.400× to 0.600×", "slower, not reliably"],
    ]
    assert "| ncnn 9.9 | 400 µs |" in "".join(markdown(page(both)))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_it_fits_terminals(width):
    both = compared(onnxruntime=on("onnxruntime"), litert=on("litert", **SLOWER))
    lines = render(page(both), View(width=width)).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Runtimes side by side"))
    assert max(len(line) for line in lines[start : start + 8]) <= width
    assert any(line.startswith("LiteRT") and line.rstrip().endswith("slower") for line in lines) == (width >= 80)


def test_the_picture_has_a_bar_for_each(tmp_path):
    pytest.importorskip("matplotlib")
    from dsconv_cli.report.compare import report

    both = compared(onnxruntime=on("onnxruntime"), litert=None, ncnn=on("ncnn", reliable=False, **SLOWER))
    picture = report(both).bars("svg")
    words = " ".join(ET.fromstring(picture).itertext())
    for text in ("ONNX Runtime 9.9", "2.60×  400 µs ÷ 150 µs", "ncnn 9.9", "not reliable", "ratio of MACs, 7.89×"):
        assert text in words
    assert "LiteRT" not in words
    assert report(both).bars("png").startswith(b"\x89PNG")


def test_one_runtime_stands_beside_nothing():
    assert section(compared(litert=on("litert"))) == ()
    assert section(replace(LAYER, time=timing())) == ()


def test_what_ran_is_named():
    assert "litert 9.9" in render(page(compared(litert=on("litert"))), View())
