"""The table of devices, with stand-ins for those that are not here."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest
import torch

from dsconv_cli.errors import DsconvError
from dsconv_cli.timing.worker import devices, system
from dsconv_cli.timing.worker.devices import DEVICES, parse_device
from dsconv_cli.timing.worker.system import available_cores, busy_seconds, free_memory


class FakeCuda:
    """Two devices; each call of work takes 3 ms of the device's time; everything that happens is in `log`."""

    def __init__(self, count=2):
        self.count, self.now_ms, self.log = count, 0.0, []
        cuda = self

        class Event:
            def __init__(self, enable_timing):
                assert enable_timing

            def record(self):
                cuda.log.append("record")
                self.at = cuda.now_ms

            def elapsed_time(self, other):
                assert cuda.log[-1] == "synchronize", "events are read once they have happened"
                return other.at - self.at

        self.Event = Event

    def is_available(self):
        return self.count > 0

    def device_count(self):
        return self.count

    def get_device_name(self, index):
        return f"GPU {index}"

    def mem_get_info(self, index):
        return (10 * 2**30, 80 * 2**30)

    def set_device(self, index):
        self.log.append(f"device {index}")

    def synchronize(self):
        self.log.append("synchronize")

    def work(self):
        self.log.append("work")
        self.now_ms += 3.0


def torch_with(cuda=None, mps=None, benchmark=False):
    cudnn = SimpleNamespace(benchmark=benchmark, allow_tf32=True, version=lambda: 91002)
    backends = SimpleNamespace(cudnn=cudnn, **({} if mps is None else {"mps": mps}))
    return SimpleNamespace(__version__="2.99.0", cuda=cuda or FakeCuda(0), backends=backends)


def test_cuda_is_timed_by_events_that_are_waited_for():
    cuda = FakeCuda()
    assert DEVICES["cuda"].stopwatch(torch_with(cuda), cuda.work, 4).wall == pytest.approx(0.012)
    assert cuda.log == ["synchronize", "record", *["work"] * 4, "record", "synchronize"]


def test_mps_is_waited_for_before_and_after():
    log = []
    torch = SimpleNamespace(mps=SimpleNamespace(synchronize=lambda: log.append("wait")))
    assert DEVICES["mps"].stopwatch(torch, lambda: log.append("work"), 2).wall >= 0
    assert log == ["wait", "work", "work", "wait"]


def test_the_cpu_clock_spans_every_call():
    for threads in (1, 2):
        calls = []
        torch = SimpleNamespace(get_num_threads=lambda threads=threads: threads)
        assert DEVICES["cpu"].stopwatch(torch, lambda calls=calls: calls.append(1), 3).wall > 0
        assert len(calls) == 3


@pytest.mark.skipif(not devices.thread_clock_is_fine(), reason="no such clock here")
def test_one_thread_is_timed_by_its_own_clock_too():
    """Sleeping stands for another program that has the core."""
    asleep = {}
    for threads in (1, 2):
        torch = SimpleNamespace(get_num_threads=lambda threads=threads: threads)
        asleep[threads] = DEVICES["cpu"].stopwatch(torch, lambda: time.sleep(0.05), 1)
    assert asleep[1].own < 0.02
    assert asleep[2].own >= 0.05
    assert min(asleep[1].wall, asleep[2].wall) >= 0.05
    assert (DEVICES["cpu"].clock, DEVICES["cuda"].clock) == ("wall clock", "CUDA events")


@pytest.mark.parametrize(
    ("kind", "torch", "index", "words"),
    [
        ("cuda", torch_with(), 0, "finds no CUDA device"),
        ("cuda", torch_with(FakeCuda(2)), 2, "2 CUDA devices, numbered from 0"),
        ("mps", torch_with(), 0, "finds no Metal"),
        ("mps", torch_with(mps=SimpleNamespace(is_available=lambda: False)), 0, "finds no Metal"),
        ("mps", torch_with(mps=SimpleNamespace(is_available=lambda: True)), 1, "one MPS device"),
    ],
)
def test_absent_devices_say_why(kind, torch, index, words):
    assert words in DEVICES[kind].absent(torch, index)


def test_devices_that_are_there():
    assert DEVICES["cuda"].absent(torch_with(FakeCuda(2)), 1) is None
    assert DEVICES["mps"].absent(torch_with(mps=SimpleNamespace(is_available=lambda: True)), 0) is None
    assert DEVICES["cpu"].absent(torch_with(), 0) is None
    assert DEVICES["cuda"].name(torch_with(FakeCuda()), 1) == "GPU 1"
    assert DEVICES["cuda"].free_bytes(torch_with(FakeCuda()), 0) == 10 * 2**30
    cuda = FakeCuda()
    DEVICES["cuda"].select(torch_with(cuda), 1)
    assert cuda.log == ["device 1"]


def test_what_chooses_cuda_kernels_is_stated():
    notes = DEVICES["cuda"].notes(torch_with(FakeCuda(), benchmark=True), "float32")
    assert notes == ("cudnn.benchmark on", "cuDNN 91002", "TF32 in convolutions on")
    assert DEVICES["cuda"].notes(torch_with(FakeCuda()), "float16") == ("cudnn.benchmark off", "cuDNN 91002")


def test_tf32_is_off_where_the_environment_turns_it_off(monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert "TF32 in convolutions off" in DEVICES["cuda"].notes(torch_with(FakeCuda()), "float32")


@pytest.mark.parametrize(
    ("text", "parsed"), [("cpu", ("cpu", 0)), ("cuda", ("cuda", 0)), ("cuda:3", ("cuda", 3)), ("mps", ("mps", 0))]
)
def test_parse_device(text, parsed):
    assert parse_device(text) == parsed


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:²", "CPU"])
def test_parse_device_refuses(text):
    with pytest.raises(DsconvError, match="device must be cpu, cuda, cuda:INDEX or mps"):
        parse_device(text)


def test_what_the_system_tells(monkeypatch):
    files = {
        "/proc/stat": "cpu  100 10 50 9999 7 3 2 5 0 0\ncpu0 1 1 1 1\n",
        "/proc/meminfo": "MemTotal: 100 kB\nMemAvailable: 64 kB\n",
        "/sys/fs/cgroup/memory.max": "60000",
        "/sys/fs/cgroup/memory.current": "10000",
        "/sys/fs/cgroup/cpu.max": "150000 100000\n",
    }
    monkeypatch.setattr(system, "told", lambda path: files.get(path, ""))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("os.sysconf", lambda _: 100, raising=False)
    assert busy_seconds() == pytest.approx(1.70)
    assert free_memory() == 50_000, "the container's limit, which is below what the machine has"
    files["/sys/fs/cgroup/memory.stat"] = "anon 6000\nfile 4000\ninactive_file 3000\n"
    assert free_memory() == 53_000, "what the system keeps of files can be had"
    assert available_cores() == 1, "one and a half"
    files["/sys/fs/cgroup/cpu.max"] = "max 100000\n"
    files["/sys/fs/cgroup/memory.max"] = "max"
    assert available_cores() == 8
    assert free_memory() == 64 * 1024
    del files["/proc/stat"]
    assert busy_seconds() is None


def test_here():
    assert available_cores() >= 1
    assert free_memory() is None or free_memory() > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_real_gpu(dsconv, valid):
    layer = ("--k", "256", "--c", "256", "--h", "56", "--w", "56", "--batch", "8", "--profiler", "none")
    result = dsconv("compare", *layer, "--time", "--device", "cuda", "--format", "json")
    assert (result.returncode, result.stderr) == (0, "")
    timing = valid(json.loads(result.stdout))["time"]
    assert (timing["device"], timing["regime"]["clock"]) == ("cuda", "CUDA events")
    assert timing["regime"]["device_name"] == torch.cuda.get_device_name()
    assert [note for note in timing["regime"]["notes"] if "TF32" in note]
    # 29.6 GFLOP against 3.4: a GPU does one in more time than the other, and neither in less than a launch takes.
    assert timing["speedup"]["value"] > 1
    assert timing["ordinary"]["median_s"] > 10e-6
