"""Each runtime that is installed: right on layers of all kinds, floating and quantised, and timed as torch is."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.layer.forms import FORMS
from dsconv_cli.layer.spec import Bias, ConvSpec
from dsconv_cli.timing.jobs import MeasureLayer, MeasurePeaks, PrepareLayer
from dsconv_cli.timing.processes import ProcessLaboratory
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.runtimes.chain import chain_of
from dsconv_cli.timing.runtimes.protocol import Built, Runtime
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.devices import cpu_stopwatch
from dsconv_cli.timing.worker.process import misses_work, ready
from dsconv_cli.timing.worker.sampling import Schedule, Settled

QUICK = Schedule(seconds=0.005, warm_s=0.001)
SPEC = ConvSpec(8, 8, h=9, w=9)
#: Compiling takes seconds a layer.
COMPILED = "torch-compile"
QUANTISED = [name for name, one in RUNTIMES.items() if "int8" in one.dtypes]


def runtime(name):
    absent = RUNTIMES[name].absent()
    if absent is not None:
        pytest.skip(absent)
    return RUNTIMES[name]


def conditions(name, dtype="float32", **more):
    return replace(Conditions("cpu", 1, False, dtype, name), **more)


@pytest.fixture(scope="module")
def steady():
    """The process as it is while something is timed; once, for it begins with a collection of everything's garbage."""
    with ready(conditions("torch")):
        yield


def output_of(name, chain, dtype):
    built = runtime(name).build(chain, conditions(name, dtype))
    built.call()
    return built.output()


def exact(chain):
    """The output in float64, by torch, of the numbers that the chain's own stand for; nothing is rounded between."""
    value = torch.from_numpy(chain.image.astype(np.float64))
    if chain.steps:
        value = (value - chain.steps[0].zero) * chain.steps[0].scale
    for index, (layer, weight, bias, scales) in enumerate(chain.operators):
        each = np.ones(layer.out_channels) if scales is None else scales.astype(np.float64)
        step = chain.steps[index].scale if chain.steps else 1
        (top, left), (bottom, right) = layer.padding, layer.padding_end
        value = torch.nn.functional.conv2d(
            torch.nn.functional.pad(value, (left, right, top, bottom)),
            torch.from_numpy(weight * each[:, None, None, None]),
            None if bias is None else torch.from_numpy(bias * each * step),
            layer.stride,
            dilation=layer.dilation,
            groups=layer.groups,
        )
    return value.numpy()


def bound(chain):
    """How far 8 bits may lie off `exact`: half a step of each rounding, grown by the filters that follow it.

    |error after a convolution| ≤ largest L1 norm of its filters · |error before it| + half a step of its output; a
    sum in the middle between two steps may go either way, which is half a step more.
    """
    error = 0.0
    for (_, weight, _, scales), step in zip(chain.operators, chain.steps[1:], strict=True):
        norms = np.abs(weight.astype(np.float64)).sum(axis=(1, 2, 3)) * scales
        error = norms.max() * error + 0.5 * step.scale
    return error + 0.51 * chain.steps[-1].scale


def any_layer(seed):
    """A layer with everything that a layer can have, small."""
    one = random.Random(seed)
    lopsided = one.random() < 0.3
    return ConvSpec(
        one.randint(1, 20), one.randint(1, 20), r=one.randint(1, 7), s=one.randint(1, 5),
        h=one.randint(14, 22), w=one.randint(14, 22), batch=one.randint(1, 2),
        stride=1 if lopsided else (one.randint(1, 3), one.randint(1, 3)),
        dilation=one.choice([1, 1, 2, (2, 1)]),
        padding="same" if lopsided else one.choice(["half", "valid", 1, (0, 2)]),
        depth_multiplier=one.choice([1, 1, 2, 3]),
        bias=Bias(*(one.random() < 0.5 for _ in range(3))),
    )  # fmt: skip


LAYERS = [
    ConvSpec(16, 8, h=12, w=9),
    ConvSpec(9, 7, r=5, s=3, h=13, w=17, stride=2, bias=True),
    ConvSpec(8, 4, r=4, s=2, h=9, w=8, padding="same", bias=Bias(True, False, True)),
    ConvSpec(8, 16, h=15, w=15, dilation=2, padding="same"),
    ConvSpec(8, 4, h=7, w=7, depth_multiplier=3, bias=True),
    ConvSpec(4, 3, r=7, s=7, h=20, w=20, stride=2),
    ConvSpec(4, 1, h=6, w=7, batch=3),
    ConvSpec(64, 64, h=8, w=8),
    *map(any_layer, range(12)),
]


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("number", range(len(LAYERS)))
@pytest.mark.parametrize("name", RUNTIMES)
def test_float32_is_what_torch_computes_in_float64(name, number):
    if name == COMPILED and number != 1:
        pytest.skip("compiling takes seconds a layer: one is enough")
    for form in FORMS.values():
        chain = chain_of(form.operators(LAYERS[number]))
        output = output_of(name, chain, "float32")
        assert output.shape == LAYERS[number].output_shape
        assert output.dtype == np.float32
        assert np.abs(output - exact(chain)).max() < 1e-4


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("number", range(len(LAYERS)))
@pytest.mark.parametrize("name", QUANTISED)
def test_int8_is_off_by_no_more_than_its_steps(name, number):
    spec = LAYERS[number]
    if name == "ncnn" and spec.depth_multiplier > 1 and spec.c > 1:
        with pytest.raises(CannotMeasureError, match="depth multiplier 1"):
            output_of(name, chain_of(FORMS["separable"].operators(spec), quantised=True), "int8")
        return
    for form in FORMS.values():
        chain = chain_of(form.operators(spec), quantised=True)
        output = output_of(name, chain, "int8")
        assert output.shape == spec.output_shape
        expected = exact(chain)
        # Beyond what 8 bits reach both clip.
        inside = np.abs(expected) < 5.5
        assert inside.mean() > 0.99
        assert np.abs(output - expected)[inside].max() < bound(chain)


def test_bfloat16_is_not_float32():
    """What OpenVINO computes in where it may: the tolerance is there to find that out."""
    chain = chain_of(FORMS["ordinary"].operators(ConvSpec(64, 32)))
    with ready(conditions("torch", "bfloat16")):
        output = RUNTIMES["torch"].build(chain, conditions("torch", "bfloat16")).output()
    assert 5e-3 < np.abs(output - exact(chain)).max() < 1e-1


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_process_prepares_and_measures(name):
    prepared = PrepareLayer(conditions(name, chain=2), SPEC).run() if runtime(name) else None
    assert prepared.version == RUNTIMES[name].version()
    assert prepared.precision in ("float32", "f32")
    assert prepared.built_s > 0
    assert prepared.fixed_s is None, "what one of two layers in a row costs beside its arithmetic is not known"
    if name == COMPILED:
        return
    sample = MeasureLayer(conditions(name), QUICK, SPEC).run()
    assert set(sample.rounds.per_call) == {"ordinary", "separable", "depthwise", "pointwise"}
    assert sample.built_s > 0
    assert set(MeasureLayer(conditions(name), QUICK, SPEC, itself=True).run().rounds.per_call) == {
        "ordinary",
        "separable",
    }
    assert PrepareLayer(conditions(name), SPEC).run().fixed_s is not None
    assert MeasurePeaks(conditions(name, RUNTIMES[name].dtypes[-1] if name in QUANTISED else "float32"), 0.02).run()


def test_what_ran_is_told():
    told = {name: PrepareLayer(conditions(name), ConvSpec(64, 64)).run().backends for name in ("onnxruntime", "litert")
            if RUNTIMES[name].absent() is None}  # fmt: skip
    if not told:
        pytest.skip("neither ONNX Runtime nor LiteRT is installed")
    assert "Conv" in told.get("onnxruntime", "Conv")[0]
    assert "XNNPACK" in told.get("litert", ("XNNPACK",))[0]


def test_a_chain_is_timed_by_the_layer():
    """Sixteen in a row take at least eight times as long a call as one, and a layer of them no more than twice."""
    spec = ConvSpec(64, 64, h=28, w=28)
    one, sixteen = (MeasureLayer(conditions("torch", chain=n), QUICK, spec).run().rounds.fastest for n in (1, 16))
    assert 0.5 < sixteen["ordinary"] / one["ordinary"] < 2
    assert sixteen["separable"] < 2 * one["separable"]


def torch_but(change):
    """Eager torch, whose output `change` gets hold of."""

    def build(chain, given):
        true = RUNTIMES["torch"].build(chain, given)
        return Built(true.call, lambda: change(true.output()))

    return build


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda output: output + 0.02, "Odd computed the ordinary form wrong: it is off by 0.02"),
        (lambda output: output * np.nan, "Odd computed the ordinary form wrong: it is off by nan"),
        (lambda output: output[:, :, 1:], "Odd gave 1×8×8×9 for the ordinary form, and 1×8×9×9 is right"),
        (lambda output: output.no_such_thing, "Odd could not run this layer on cpu: 'numpy.ndarray' object has no"),
    ],
)
def test_a_wrong_output_is_an_error_that_names_the_runtime(change, words, monkeypatch):
    odd = Runtime("odd", "Odd", ("torch",), "torch", ("float32",), torch_but(change))
    monkeypatch.setattr("dsconv_cli.timing.worker.layer.RUNTIMES", {"odd": odd})
    with pytest.raises(CannotMeasureError) as caught:
        PrepareLayer(conditions("odd"), SPEC).run()
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_a_runtime_that_crashes_costs_no_other_one_anything(monkeypatch):
    """The job of one ends by a signal; the next job of the same laboratory is answered."""
    with contextlib.closing(ProcessLaboratory()) as laboratory:
        with pytest.raises(CannotMeasureError, match="ended without an answer"):
            laboratory.run(Crash(), 60)
        assert laboratory.run(PrepareLayer(conditions("torch"), SPEC), 60).backends


class Crash:
    fresh = True

    def run(self):
        os.kill(os.getpid(), signal.SIGSEGV)


SILENT = """
import socket, sys, threading
asked = []
def refuse(*arguments, **_):
    asked.append(arguments)
    raise OSError("no network")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = socket.socket.sendto = refuse
from dsconv_cli.timing.jobs import PrepareLayer
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.layer.spec import ConvSpec
for name, one in RUNTIMES.items():
    if name != "torch-compile" and one.absent() is None:
        PrepareLayer(Conditions("cpu", 1, False, "float32", name), ConvSpec(8, 8, h=9, w=9)).run()
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)
print(asked, sys.modules.get("openvino_telemetry"))
"""


def test_nothing_is_sent_and_nothing_fetched():
    """OpenVINO's package sends an event when it is imported, by another package, which must not be loaded."""
    said = subprocess.run(
        [sys.executable, "-c", SILENT], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    assert said == "[] None\n"


def test_work_in_other_threads_is_found_out():
    def burn():
        end = time.thread_time() + 2e-3
        while time.thread_time() < end:
            pass

    def elsewhere():
        other = threading.Thread(target=burn)
        other.start()
        other.join()

    def clock(work):
        return {"ordinary": lambda calls: cpu_stopwatch(torch, work, calls)}

    settled = Settled({}, 1, 3)
    assert misses_work(clock(elsewhere), settled)
    assert not misses_work(clock(burn), settled)


def test_what_a_runtime_lacks_is_said_in_one_line():
    for settings, spec, words in [
        (
            {"runtime": "torch"},
            ConvSpec(8, 8, dtype="int8"),
            "torch has no int8 convolutions here, only float32, float64, bfloat16, float16; those that have are onnxr",
        ),
        ({"runtime": "litert", "device": "cuda"}, SPEC, "litert is timed on cpu, not on cuda"),
        ({"runtime": "onnxruntime", "channels_last": True}, SPEC, "onnxruntime takes channels first; the layout is"),
        ({"chain": 3}, ConvSpec(16, 8), "3 layers in a row need an output like the input, and this one makes 1×16×56×"),
    ]:
        with pytest.raises(DsconvError) as caught:
            TimingSettings(**settings).refuse_impossible(spec)
        assert str(caught.value).startswith(words)
        assert "\n" not in str(caught.value)
    with pytest.raises(
        DsconvError, match=r"the runtime must be one of torch, torch-compile, onnxruntime, .* not 'tflite'"
    ):
        TimingSettings(runtime="tflite")


def test_what_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("dsconv_cli.timing.runtimes.protocol.installed", lambda package: package == "torch")
    told = {name: one.absent() for name, one in RUNTIMES.items()}
    assert told["torch"] is None
    for name in ("onnxruntime", "litert", "openvino", "ncnn"):
        assert told[name].endswith(f"pip install 'dsconv-cli[{name}]'")


def test_torch_compile_needs_a_compiler(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    assert "needs a C++ compiler" in RUNTIMES[COMPILED].absent()
