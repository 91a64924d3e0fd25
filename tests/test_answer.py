"""The first line of every page: the answer, as the figures have it."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import pytest
from conftest import ROOT
from fakes import timing

from dsconv_cli import ConvSpec
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.environment import Machine
from dsconv_cli.model.result import BeforeAfter, InputShape, Layer, ModelResult, Selection
from dsconv_cli.report import answer, compare, network, summary
from dsconv_cli.report.markdown import lines_of as markdown
from dsconv_cli.report.page import View
from dsconv_cli.report.table import render
from dsconv_cli.sweep.summary import Summary
from dsconv_cli.timing.result import Executed, Fastest, Interval, PairTime, PerOperator, Times

SMALL = closed_forms(ConvSpec(64, 32, h=32, w=32))
GAIN = "2.60× faster here (95%: 2.50–2.70×) for 7.89× fewer MACs"
SLOWER = {"verdict": "slower", "speedup": Interval(0.5, 0.4, 0.625, 0.95)}
NONE = {"verdict": "no detectable difference", "speedup": Interval(1.0, 0.9, 1.1, 0.95)}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        # 18,432 / 2,336; (32·56² + 18,432 + 64·56²) against (64·56² + 288) + (96·56² + 2,048).
        (ConvSpec(64, 32), "7.89× fewer parameters and MACs, but 1.58× more memory traffic."),
        (
            ConvSpec(64, 32, bias=True),
            "7.61× fewer parameters and 7.89× fewer MACs, but 1.58× more memory traffic.",
        ),
        # 2,560,000 elements against 205,312 + 462,848.
        (ConvSpec(512, 512, h=14, w=14), "8.84× fewer parameters and MACs, and 3.83× less memory traffic."),
        # 2,048 against 32 + 2,048; 303,104 elements against 200,736 + 303,104.
        (
            ConvSpec(64, 32, 1, 1),
            "It costs more: 1.02× more parameters and MACs, and 1.66× more memory traffic.",
        ),
        # 2·3·2 weights against 3·2 + 2·3; 6 + 2 + 12 elements against 15 + 11.
        (
            ConvSpec(2, 3, 2, 1, h=2, w=1),
            "It saves nothing: as many parameters and MACs, but 1.30× more memory traffic.",
        ),
    ],
)
def test_of_a_layer(spec, said):
    assert answer.of_layer(closed_forms(spec)) == said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        # Depthwise: 288 of 2,336 weights, and 80 of 140 µs.
        ({}, f"{GAIN}; depthwise does 12% of the pair's MACs and takes 57% of its time."),
        ({"fixed_s": PerOperator(4e-5, 5e-5, 6e-6)}, f"{GAIN}; 37% of the pair's 150 µs is call overhead."),
        ({"fixed_s": PerOperator(4e-5, 1.5e-4, 6e-6)}, f"{GAIN}; all of the pair's 150 µs is call overhead."),
        ({"depthwise_s": 1e-5}, f"{GAIN}."),
        (
            {"depthwise_s": 1e-5, **SLOWER},
            "2.00× slower here (95%: 1.60–2.50×), although it has 7.89× fewer MACs.",
        ),
        (
            {"depthwise_s": 1e-5, **NONE},
            "No detectable difference in time here (95%: 0.900–1.10×) for 7.89× fewer MACs.",
        ),
        (
            {"depthwise_s": 1e-5, "reliable": False, "warnings": ("it is noisy",)},
            "2.60× faster here (95%: 2.50–2.70×, not reliable) for 7.89× fewer MACs.",
        ),
        (
            {"depthwise_s": 1e-5, "runtime": Executed("litert", "9.9")},
            "2.60× faster on LiteRT here (95%: 2.50–2.70×) for 7.89× fewer MACs.",
        ),
    ],
)
def test_of_a_layer_that_was_timed(more, said):
    assert answer.of_layer(replace(SMALL, time=timing(**more))) == said


def test_of_runtimes_side_by_side():
    there = {
        "torch": timing(**SLOWER),
        "onnxruntime": timing(runtime=Executed("onnxruntime", "1")),
        "litert": timing(runtime=Executed("litert", "1"), speedup=Interval(5.0, 4.0, 6.0, 0.95)),
        "ncnn": timing(runtime=Executed("ncnn", "1"), reliable=False, **NONE),
        "openvino": None,
    }
    said = answer.of_layer(SMALL.with_times(Times(there, {"openvino": "it broke"})))
    assert said == (
        "For 7.89× fewer MACs: 5.00× faster on LiteRT, 2.60× on ONNX Runtime; 2.00× slower on PyTorch; no detectable "
        "difference on ncnn (not reliable)."
    )


def network_of(*, replaced=True, after=7_325_696, **more):
    spec = ConvSpec(64, 32)
    layer = Layer("conv", "Conv2d", "convolution", 1, 18_432, 57_802_752, eligible=True, spec=spec, replaced=replaced)
    total = (18_432, 2_336) if replaced else (18_432, 18_432)
    return ModelResult(
        "net:net", "Net", "meta", None, (InputShape(None, (1, 32, 56, 56), "float32"),), ((1, 64, 56, 56),), (layer,),
        BeforeAfter(*total), BeforeAfter(57_802_752, after if replaced else 57_802_752), 0, Selection(), **more,
    )  # fmt: skip


def test_of_a_network():
    assert answer.of_network(network_of()) == (
        "7.89× fewer MACs (57.8 M → 7.33 M), 7.89× fewer parameters; 1 of 1 convolution replaced."
    )
    assert answer.of_network(network_of(replaced=False)) == (
        "Nothing is saved: none of 1 convolution replaced (1 could be)."
    )
    assert answer.of_network(network_of(after=115_605_504)).startswith(
        "The replaced network costs more: 2.00× more MACs (57.8 M → 116 M), "
    )


def test_of_a_network_that_was_timed():
    gain = Interval(1.9, 1.8, 2.0, 0.95)
    time = PairTime(
        2e-2, 1e-2, gain, Fastest(2e-2, 1e-2, gain), "faster", True, (), "cpu", 1, "channels first", "float32", 9, 99
    )  # fmt: skip
    result = network_of(time=time)
    assert answer.of_network(result).startswith("1.90× faster here (95%: 1.80–2.00×) for 7.89× fewer MACs (57.8 M")
    doubtful = replace(result, time=replace(time, reliable=False, warnings=("it is noisy",)))
    lines = render(network.page(doubtful), View()).splitlines()
    assert "(95%: 1.80–2.00×, not reliable)" in lines[0]
    assert "Not reliable: it is noisy." in lines
    timed = replace(time, runtime=Executed("onnxruntime", "1"))
    text = render(network.page(network_of(times={"ncnn": None, "onnxruntime": timed})), View())
    assert text.startswith("1.90× faster on ONNX Runtime here (95%: "), "though the first one could not"
    assert "Measured on cpu, 1 thread, float32, channels first." in text


def test_of_a_sweep():
    """K = C, 3×3: 1 / (1/K + 1/9) is 5.76, 7.89 and 8.69; at 56² memory traffic grows for all, at 14² for K = 16."""
    whole = Summary()
    for k in (16, 64, 256):
        for side in (14, 56):
            whole.add(closed_forms(ConvSpec(k, k, h=side, w=side)))
    assert render(summary.page(whole), View(width=100)).splitlines()[0] == (
        "6 layers: 7.89× fewer MACs (median; 5.76–8.69×); 4 of 6 with more memory traffic."
    )


def test_the_page_and_the_csv_of_a_summary_count_the_same_layers():
    """One of two could not be timed, on machines of one kind: half of the layers is slower, beyond doubt."""
    whole = Summary()
    machine = Machine("a", "", "", "", "", 1, "", "one kind")
    whole.add(replace(SMALL, machine=machine, time=timing(**SLOWER)))
    whole.add(replace(SMALL, machine=machine, error="it broke"))
    assert "time.speedup      1 of 2 layers (50.0%, 1 of them beyond doubt)" in render(summary.page(whole), View())
    rows = {row[0]: row for row in summary.report(whole).rows()}
    assert (rows["time.speedup.value"][1], rows["time.speedup.value"][6]) == (2, 1)


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        (
            ([7.0, 8.0, 9.0], [1.0, 2.0, 3.0], [0.5, 2.0, 4.0]),
            "3 layers: 0.500–4.00× faster for 7.00–9.00× fewer MACs; 1 of 3 slower.",
        ),
        (([8.0], [2.0], [0.5]), "1 layer: 2.00× slower for 8.00× fewer MACs."),
        (([0.5, 0.8, 4.0], [2.0] * 3), "3 layers: 0.500–4.00× fewer MACs; 2 of 3 with more."),
        (([8.0, 8.0], [2.0, 1.0]), "2 layers: 8.00× fewer MACs."),
        (([0.5, 0.8], [2.0] * 2), "2 layers: 1.25–2.00× more MACs; 2 of 2 with more."),
        (([], []), "0 layers."),
    ],
)
def test_of_many_layers(ratios, said):
    tallies = [answer.Tally(ratios[place] if place < len(ratios) else ()) for place in range(3)]
    assert answer.of_layers(tallies) == said


def test_of_many_layers_whose_medians_are_known():
    tallies = [answer.Tally(ratios) for ratios in ([7.0, 8.0, 9.0], [1.0, 2.0, 3.0], [0.2, 0.5, 4.0])]
    assert answer.of_layers(tallies, {"macs.ratio": 8.0, "time.speedup.value": 0.5}) == (
        "3 layers: 2.00× slower (median; 0.200–4.00×) for 8.00× fewer MACs (median; 7.00–9.00×); 2 of 3 slower."
    )
    tallies = [answer.Tally(ratios) for ratios in ([0.5, 0.8, 0.9], [1.0] * 3, [])]
    assert answer.of_layers(tallies, {"macs.ratio": 0.8}) == (
        "3 layers: 1.25× more MACs (median; 1.11–2.00×); 3 of 3 with more."
    )


def test_every_page_begins_with_it_in_bold():
    one = closed_forms(ConvSpec(64, 32))
    said = answer.of_layer(one)
    assert render(compare.page(one), View(color=True)).startswith(f"\x1b[1m{said}")
    assert next(markdown(compare.page(one))) == f"**{said}**\n"
    said = answer.of_network(network_of())
    assert next(markdown(network.page(network_of()))) == f"**{said}**\n"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ConvSpec(64, 32), "R×S = 9 overstates the ratio by 14.1%: K is small; --explain derives it."),
        (ConvSpec(900, 900), "R×S = 9 overstates the ratio by 1.00%: its assumptions hold; --explain derives it."),
        # 9 · 1,009 / 9,000 with K = 1,000.
        (
            ConvSpec(1000, 1),
            "R×S = 9 overstates the ratio by 0.900%: C is small, but only K matters; --explain derives it.",
        ),
        # 18,496 / 2,432 parameters.
        (
            ConvSpec(64, 32, bias=True),
            (
                "R×S = 9 overstates the ratio of parameters by 18.3% and that of MACs by 14.1%: K is small and there "
                "are biases; --explain derives it."
            ),
        ),
        # 9·900·900 / (2·9·900 + 2·900·900) = 9 / (2·(0.01 + 1)).
        (
            ConvSpec(900, 900, depth_multiplier=2),
            "R×S = 9 overstates the ratio by 102%: the depth multiplier is 2; --explain derives it.",
        ),
    ],
)
def test_r_times_s_in_one_line(spec, said):
    lines = render(compare.page(closed_forms(spec)), View(width=300)).splitlines()
    assert said in lines
    explained = render(compare.page(closed_forms(spec), explain=True), View(width=300))
    assert f"{said.partition('; ')[0]}." in explained


def test_details_hold_what_is_longer():
    one = replace(SMALL, time=timing())
    short, long = (render(compare.page(one, details=details), View(width=200)) for details in (False, True))
    for words in (
        "GFLOP/s on a large matrix product",
        "backends Mkldnn",
        "12 processes",
        "fastest time",
        "share of MACs",
    ):
        assert words not in short
        assert words in long
    assert "Measured on cpu, 1 thread, float32" in short
    assert "activations that are in memory at once" in long


#: 44.4%, never 44.4 %: in what is shown, and in what it is made of.
SPACED = re.compile(r"[0-9}] +%")


def test_one_style_of_percent():
    one = replace(closed_forms(ConvSpec(64, 32, bias=True)), time=timing(reliable=False, warnings=("±9.0%",)))
    whole = Summary()
    whole.add(one)
    pages = [
        compare.page(one, explain=True, details=True),
        network.page(network_of(), details=True),
        summary.page(whole),
    ]
    for text in [render(page, View()) for page in pages]:
        assert not SPACED.search(text)
    assert re.search(r"[0-9]%", render(pages[0], View()))


def test_no_text_of_the_program_has_another():
    found = []
    for path in (ROOT / "dsconv_cli").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                found += [f"{path.name}: {node.value}"] * bool(re.search(r"^ %|[0-9] %", node.value))
    assert found == []
