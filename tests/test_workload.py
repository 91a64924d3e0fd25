"""The torch side on small layers, in this process: that it runs, and leaves the process as it was."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import time

import pytest
import torch

from dsconv_cli import Bias, ConvSpec
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.timing import forkserver as zygote
from dsconv_cli.timing.jobs import Conditions, ListDevices, MeasureLayer, MeasurePeaks, Probe
from dsconv_cli.timing.processes import ProcessLaboratory, TimeoutExceededError
from dsconv_cli.timing.result import Backends, Peaks
from dsconv_cli.timing.worker import measure as workload
from dsconv_cli.timing.worker.sampling import Plan

CPU = Conditions("cpu", 1, False, "float32")
QUICK = Plan(seconds=0.005, warm_s=0.001)


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
    one = workload.measure_layer(MeasureLayer(conditions, spec, QUICK))
    assert set(one.rounds.per_call) == {"ordinary", "separable", "depthwise", "pointwise"}
    assert one.rounds.number >= 3
    assert all(value > 0 for values in one.rounds.per_call.values() for value in values)
    assert one.fixed_s is None or all(value > 0 for value in one.fixed_s)
    assert one.copy_bytes > 0


def test_the_cost_of_a_call_is_measured_on_the_backend_that_runs(monkeypatch):
    job = MeasureLayer(CPU, ConvSpec(64, 32, h=32, w=32), QUICK)
    assert workload.measure_layer(job).fixed_s is not None
    whole, *_ = workload._layers(job.spec)
    assert workload._smallest(whole, job, "a backend that nothing small runs on") is None


def test_a_layer_against_itself_has_two_sides_only():
    one = workload.measure_layer(MeasureLayer(CPU, ConvSpec(8, 8, h=8, w=8), QUICK, against_itself=True))
    assert set(one.rounds.per_call) == {"ordinary", "separable"}


def test_the_pair_that_is_timed_is_the_pair_that_is_counted():
    """What runs under the clock has the shapes of the spec."""
    spec = ConvSpec(16, 8, h=16, w=12, stride=2, depth_multiplier=2)
    works = workload._works(MeasureLayer(CPU, spec, QUICK))
    with torch.inference_mode():
        shapes = {name: tuple(work().shape) for name, work in works.items()}
    assert shapes["ordinary"] == shapes["separable"] == shapes["pointwise"] == spec.output_shape
    assert shapes["depthwise"] == spec.intermediate_shape


def test_channels_last_is_what_runs():
    spec = ConvSpec(16, 8, h=16, w=12)
    works = workload._works(MeasureLayer(Conditions("cpu", 1, True, "float32"), spec, QUICK))
    with torch.inference_mode():
        assert all(work().is_contiguous(memory_format=torch.channels_last) for work in works.values())


def test_the_process_is_put_back():
    threads, collecting = torch.get_num_threads(), gc.isenabled()
    workload.measure_layer(MeasureLayer(Conditions("cpu", 3, False, "float32"), ConvSpec(4, 4, h=4, w=4), QUICK))
    assert (torch.get_num_threads(), gc.isenabled()) == (threads, collecting)
    tiny = torch.tensor([1e-40]) * 1.0
    assert tiny.item() != 0, "denormals are denormal again"


def test_backends_are_torch_s_own_names():
    image = torch.randn(1, 32, 32, 32)
    one = workload.measure_layer(MeasureLayer(CPU, ConvSpec(64, 32, h=32, w=32), QUICK))
    if not hasattr(torch._C, "_select_conv_backend"):
        assert one.backends == Backends()
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
    peaks = workload.measure_peaks(MeasurePeaks(CPU, 0.05))
    assert isinstance(peaks, Peaks)
    assert min(peaks.matmul_flops, peaks.copy_bytes, peaks.conv_flops) > 1e7
    assert peaks.conv_shape == "128×128×3×3 on 1×128×28×28"


def test_probe():
    machine = workload.probe(Probe(CPU))
    assert machine.torch == torch.__version__
    assert machine.cores >= 1
    with pytest.raises(DsconvError, match=r"no device mps here: torch .* finds no Metal"):
        workload.probe(Probe(Conditions("mps", 1, False, "float32")))


def test_a_dtype_that_cannot_run_is_told_in_torch_s_words(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'\nand more")

    monkeypatch.setattr(workload, "conv2d", refuse)
    with pytest.raises(DsconvError, match=r"cpu cannot run convolutions in float16 here .*not implemented for 'Half'"):
        workload.probe(Probe(Conditions("cpu", 1, False, "float16")))


def test_a_layer_that_torch_cannot_run_is_an_error():
    with pytest.raises(CannotMeasureError, match="torch could not run this layer on cpu"):
        workload.measure_layer(MeasureLayer(CPU, ConvSpec(2**30, 2**30, h=2**20, w=2**20), QUICK))


def test_cpu_is_always_among_the_devices():
    found = {one.device.partition(":")[0]: one for one in workload.list_devices(ListDevices()).found}
    assert found["cpu"].usable
    assert {"cuda", "mps"} <= set(found)


forks = pytest.mark.skipif(not zygote.can_fork(), reason="no fork here")
warned_of_forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def jobs():
    """Where jobs would come from: the end that is read, and a function that hangs up."""
    reading, writing = os.pipe()
    ends = [writing]

    def hang_up():
        os.close(ends.pop())

    with os.fdopen(reading, "rb", buffering=0) as stream:
        yield stream, hang_up
        while ends:
            hang_up()


@forks
@warned_of_forks
def test_a_forked_job_answers(monkeypatch, jobs):
    monkeypatch.setattr(zygote, "run", lambda job: ("done", (job, os.getpid())))
    kind, (job, pid) = zygote._run_forked("a job", jobs[0])
    assert (kind, job) == ("done", "a job")
    assert pid != os.getpid()


@forks
@warned_of_forks
@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed, most likely for want of memory"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "ended without an answer (signal 15)"),
        (lambda: os._exit(7), "ended without an answer (exit code 7)"),
    ],
)
def test_a_forked_job_that_dies_is_told(monkeypatch, jobs, end, words):
    monkeypatch.setattr(zygote, "run", lambda _: end())
    kind, (message, code) = zygote._run_forked("a job", jobs[0])
    assert (kind, code) == ("failed", 3)
    assert words in message


@forks
@warned_of_forks
def test_a_forked_job_ends_when_nobody_waits(monkeypatch, jobs):
    monkeypatch.setattr(zygote, "run", lambda _: time.sleep(60))
    jobs[1]()
    started = time.monotonic()
    with pytest.raises(EOFError):
        zygote._run_forked("a job", jobs[0])
    assert time.monotonic() - started < 10
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_errors_cross_the_pipe():
    assert zygote.run(Probe(Conditions("mps", 1, False, "float32")))[0] == "failed"
    kind, machine = pickle.loads(pickle.dumps(zygote.run(Probe(CPU))))
    assert kind == "done"
    assert machine.torch == torch.__version__


def test_without_forks_every_measurement_has_a_process_of_its_own():
    """As on Windows and macOS: slow, and as fresh."""
    laboratory = ProcessLaboratory(forks=False)
    try:
        assert laboratory.run(Probe(CPU), 60).torch == torch.__version__
        first = laboratory._process
        sample = laboratory.run(MeasureLayer(CPU, ConvSpec(8, 8, h=8, w=8), QUICK), 60)
        assert sample.rounds.number >= 3
        assert laboratory._process is None
        assert first._popen.poll() is not None
    finally:
        laboratory.close()


def test_a_job_that_takes_too_long_is_ended():
    laboratory = ProcessLaboratory()
    laboratory.wait_until_ready()
    process = laboratory._process
    with pytest.raises(TimeoutExceededError):
        laboratory.run(MeasureLayer(CPU, ConvSpec(8, 8, h=8, w=8), Plan(seconds=60)), 0.3)
    assert process._popen.poll() is not None
    laboratory.close()


def test_a_laboratory_whose_process_died_says_so():
    laboratory = ProcessLaboratory()
    laboratory.wait_until_ready()
    laboratory._process._popen.kill()
    laboratory._process._popen.wait()
    with pytest.raises(CannotMeasureError, match=r"measuring process (was killed|ended)"):
        laboratory.run(Probe(CPU), 10)
