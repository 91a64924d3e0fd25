"""The torch side on small layers, in this process: that it runs, and leaves the process as it was."""

from __future__ import annotations

import gc
import time

import pytest
import torch

from dsconv_cli import Bias, ConvSpec
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.timing.jobs import ListDevices, MeasureLayer, MeasurePeaks, PrepareLayer, Probe
from dsconv_cli.timing.result import NO_BACKENDS, Peaks
from dsconv_cli.timing.runtimes.torch import module_of
from dsconv_cli.timing.worker import layer, process
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.devices import DEVICES, wall_stopwatch
from dsconv_cli.timing.worker.sampling import Schedule

CPU = Conditions("cpu", 1, False, "float32")
QUICK = Schedule(seconds=0.005, warm_s=0.001)


@pytest.mark.parametrize(
    ("spec", "conditions"),
    [
        (ConvSpec(16, 8, h=16, w=16), CPU),
        (ConvSpec(16, 8, h=16, w=16), Conditions("cpu", 2, True, "float32")),
        (ConvSpec(8, 4, r=2, s=4, h=9, w=7, padding="same", bias=True), CPU),
        (ConvSpec(8, 4, h=15, w=9, stride=(2, 1), dilation=(1, 2), depth_multiplier=3, bias=Bias(pointwise=True)), CPU),
        (ConvSpec(1, 1, h=3, w=3), CPU),
        (ConvSpec(8, 8, h=8, w=8, dtype="bfloat16", batch=2), Conditions("cpu", 1, False, "bfloat16")),
        (ConvSpec(8, 8, h=8, w=8, dtype="float64"), Conditions("cpu", 1, True, "float64")),
    ],
)  # fmt: skip
def test_a_process_measures_every_kind_of_layer(spec, conditions):
    one = MeasureLayer(conditions, QUICK, spec).run()
    assert set(one.rounds.per_call) == {"ordinary", "separable", "depthwise", "pointwise"}
    assert one.rounds.number >= 3
    assert all(value > 0 for values in one.rounds.per_call.values() for value in values)
    assert one.copy_bytes > 0


def test_the_cost_of_a_call_is_measured_on_the_backend_that_runs():
    job = PrepareLayer(CPU, ConvSpec(64, 32, h=32, w=32))
    assert all(value > 0 for value in job.run().fixed_s)
    whole, *_ = layer.operators_of(job.spec)
    with torch.inference_mode():
        assert layer.smallest(whole, CPU, "a backend that nothing small runs on") is None


def test_a_layer_against_itself_has_two_sides_only():
    one = MeasureLayer(CPU, QUICK, ConvSpec(8, 8, h=8, w=8), itself=True).run()
    assert set(one.rounds.per_call) == {"ordinary", "separable"}


def test_the_pair_that_is_timed_is_the_pair_that_is_counted():
    """What runs under the clock has the shapes of the spec."""
    spec = ConvSpec(16, 8, h=16, w=12, stride=2, depth_multiplier=2)
    with torch.inference_mode():
        shapes = {name: tuple(row.build(CPU).call().shape) for name, row in layer.rows_of(spec, CPU).items()}
    assert shapes["ordinary"] == shapes["separable"] == shapes["pointwise"] == spec.output_shape
    assert shapes["depthwise"] == spec.intermediate_shape


def test_the_ordinary_form_is_timed_as_it_stands_in_a_network():
    """Not wrapped: a container costs a short call 2 % of its time."""
    whole, pair = (module_of(row.chain, CPU) for row in list(layer.rows_of(ConvSpec(8, 8, h=8, w=8), CPU).values())[:2])
    assert type(whole) is torch.nn.Conv2d
    assert [type(one) for one in pair] == [torch.nn.Conv2d, torch.nn.Conv2d]


def test_channels_last_is_what_runs():
    spec = ConvSpec(16, 8, h=16, w=12)
    last = Conditions("cpu", 1, True, "float32")
    with torch.inference_mode():
        outputs = [row.build(last).call() for row in layer.rows_of(spec, last).values()]
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in outputs)


def test_the_process_is_put_back():
    threads, collecting = torch.get_num_threads(), gc.isenabled()
    MeasureLayer(Conditions("cpu", 3, False, "float32"), QUICK, ConvSpec(4, 4, h=4, w=4)).run()
    assert (torch.get_num_threads(), gc.isenabled()) == (threads, collecting)
    tiny = torch.tensor([1e-40]) * 1.0
    assert tiny.item() != 0, "denormals are denormal again"


def test_backends_are_torch_s_own_names():
    image = torch.randn(1, 32, 32, 32)
    one = PrepareLayer(CPU, ConvSpec(64, 32, h=32, w=32)).run()
    if not hasattr(torch._C, "_select_conv_backend"):
        assert one.backends == NO_BACKENDS
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        told = torch._C._select_conv_backend(
            image, torch.randn(64, 32, 3, 3), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1
        )
    finally:
        torch.set_num_threads(threads)
    assert one.backends.ordinary == str(told).rpartition(".")[2]


def test_peaks_are_rates():
    peaks = MeasurePeaks(CPU, 0.05).run()
    assert isinstance(peaks, Peaks)
    assert min(peaks.matmul_flops, peaks.copy_bytes, peaks.conv_flops) > 1e7
    assert peaks.conv_shape == "128×128×3×3 on 1×128×28×28"


def test_probe():
    machine = Probe(CPU).run()
    assert machine.torch == torch.__version__
    assert machine.cores >= 1
    with pytest.raises(DsconvError, match=r"no device mps here: torch .* finds no Metal"):
        Probe(Conditions("mps", 1, False, "float32")).run()


def test_a_dtype_that_cannot_run_is_told_in_torch_s_words(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'\nand more")

    monkeypatch.setattr(torch.nn.Conv2d, "forward", refuse)
    with pytest.raises(DsconvError, match=r"cpu cannot run convolutions in float16 here .*not implemented for 'Half'"):
        Probe(Conditions("cpu", 1, False, "float16")).run()


def test_a_layer_that_torch_cannot_run_is_an_error():
    with pytest.raises(CannotMeasureError, match="PyTorch could not run this layer on cpu"):
        MeasureLayer(CPU, QUICK, ConvSpec(2**30, 2**30, h=2**20, w=2**20)).run()


def test_cpu_is_always_among_the_devices():
    found = {one.device.partition(":")[0]: one for one in ListDevices().run()}
    assert found["cpu"].usable
    assert {"cuda", "mps"} <= set(found)


@pytest.mark.parametrize("itself", [False, True])
def test_a_first_call_that_loads_libraries_is_no_measure_of_a_call(itself, monkeypatch):
    """A stand-in for a GPU: its first call takes a tenth of a second, as CUDA's first convolution takes half of one."""
    calls = []

    def stopwatch(torch, work, count):
        time.sleep(0.1 if not calls else 0)
        calls.append(count)
        return wall_stopwatch(torch, work, count)

    device = DEVICES["cpu"]._replace(on_cpu=False, stopwatch=stopwatch)
    monkeypatch.setattr(process, "DEVICES", {"cpu": device})
    found = MeasureLayer(CPU, Schedule(), ConvSpec(k=16, c=16, h=8, w=8), itself).run()
    assert found.built_s > 0.1
    # Of 8 ms a round, and not of one call.
    assert found.rounds.number < 100
    assert max(calls) > 10
