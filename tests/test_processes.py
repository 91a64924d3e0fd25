"""The processes that measure: what crosses their pipes, how they end, and where they import from."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import pytest
import torch
from conftest import ROOT

from dsconv_cli import ConvSpec
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.timing import forkserver, processes
from dsconv_cli.timing.jobs import MeasureLayer, Probe
from dsconv_cli.timing.processes import ProcessLaboratory, TimeoutExceededError
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.sampling import Schedule

CPU = Conditions("cpu", 1, False, "float32")
QUICK = Schedule(seconds=0.005, warm_s=0.001)


forks = pytest.mark.skipif(not forkserver.can_fork(), reason="no fork here")
warned_of_forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def jobs():
    """Where jobs would come from: the end that is read, and a function that hangs up."""
    reading, writing = os.pipe()
    ends = [writing]

    def hang_up():
        os.close(ends.pop())

    with os.fdopen(reading, "rb") as stream:
        yield stream, hang_up
        while ends:
            hang_up()


@forks
@warned_of_forks
def test_a_forked_job_answers(monkeypatch, jobs):
    monkeypatch.setattr(forkserver, "run", lambda job: (job, os.getpid()))
    job, pid = forkserver._run_forked("a job", jobs[0])
    assert job == "a job"
    assert pid != os.getpid()


@forks
@warned_of_forks
@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed, probably because memory ran out"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "ended without an answer (signal 15)"),
        (lambda: os._exit(7), "ended without an answer (exit code 7)"),
    ],
)
def test_a_forked_job_that_dies_is_told(monkeypatch, jobs, end, words):
    monkeypatch.setattr(forkserver, "run", lambda _: end())
    error = forkserver._run_forked("a job", jobs[0])
    assert isinstance(error, CannotMeasureError)
    assert words in str(error)


@forks
@warned_of_forks
def test_a_forked_job_ends_when_nobody_waits(monkeypatch, jobs):
    monkeypatch.setattr(forkserver, "run", lambda _: time.sleep(60))
    jobs[1]()
    started = time.monotonic()
    with pytest.raises(EOFError):
        forkserver._run_forked("a job", jobs[0])
    assert time.monotonic() - started < 10
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_errors_cross_the_pipe():
    error = pickle.loads(pickle.dumps(forkserver.run(Probe(Conditions("mps", 1, False, "float32")))))
    assert (type(error), error.exit_code) == (DsconvError, 2)
    assert "no device mps here" in str(error)
    machine = pickle.loads(pickle.dumps(forkserver.run(Probe(CPU))))
    assert machine.torch == torch.__version__


def test_what_nobody_foresaw_crosses_the_pipe_too():
    error = pickle.loads(pickle.dumps(forkserver.run(Raises("three\nlines\nof it"))))
    assert isinstance(error, CannotMeasureError)
    assert "the measuring process failed (KeyError: " in str(error)


@dataclass(frozen=True)
class Raises:
    """A job of a kind that timing has never heard of."""

    said: str
    fresh = True

    def run(self):
        raise KeyError(self.said)


def test_without_forks_every_measurement_has_a_process_of_its_own():
    """As on Windows and macOS: slow, and as fresh."""
    laboratory = ProcessLaboratory(forks=False)
    try:
        assert laboratory.run(Probe(CPU), 60).torch == torch.__version__
        first = laboratory._process
        sample = laboratory.run(MeasureLayer(CPU, QUICK, ConvSpec(8, 8, h=8, w=8)), 60)
        assert sample.rounds.number >= 3
        assert laboratory._process is None
        assert first._popen.poll() is not None
    finally:
        laboratory.close()


@dataclass(frozen=True)
class Pid:
    """Which process answers? Like the network's job, a kind that timing has never heard of."""

    fresh: bool

    def run(self):
        return os.getpid()


@pytest.mark.parametrize("forks", [False, pytest.param(True, marks=forks)])
def test_a_job_that_measures_has_a_process_of_its_own(forks):
    laboratory = ProcessLaboratory(forks=forks)
    try:
        pids = [laboratory.run(Pid(fresh=fresh), 60) for fresh in (True, True, False)]
    finally:
        laboratory.close()
    assert len({*pids, os.getpid()}) == 4


STRANGERS = ("torch", "struct", "pickle", "signal", "multiprocessing", "dsconv_cli")


@pytest.mark.parametrize("forks", [False, pytest.param(True, marks=forks)])
def test_nothing_is_imported_from_the_current_directory(tmp_path, forks):
    """Neither by a script that lies elsewhere, nor where Python itself looks there first."""
    for name in STRANGERS:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})")
    program = f"""
import sys
sys.path.remove("")
import dsconv_cli.timing.processes as processes
from dsconv_cli.timing.jobs import ListDevices
sys.path.insert(0, "")
laboratory = processes.ProcessLaboratory(forks={forks})
print(laboratory.run(ListDevices(), 60)[0].device)
laboratory.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("cpu\n", "")
    assert not (tmp_path / "ran").exists()


def test_a_torch_that_cannot_be_loaded_is_told(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise OSError('libc10.so: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    laboratory = ProcessLaboratory()
    with pytest.raises(
        CannotMeasureError, match=r"^torch cannot be loaded \(libc10.so: cannot open\); install it anew"
    ):
        laboratory.wait_until_ready()
    laboratory.close()


def test_a_numpy_that_cannot_be_loaded_is_no_fault_of_torch(tmp_path, monkeypatch):
    """As numpy says it: two empty lines, a page of advice, and the fact in the error that it comes from."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text(
        "try:\n    raise ImportError('multiarray.so: file too short')\n"
        "except ImportError as error:\n    raise ImportError('\\n\\nIMPORTANT: READ THIS') from error\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    laboratory = ProcessLaboratory()
    with pytest.raises(CannotMeasureError, match=r"^numpy cannot be loaded \(multiarray.so: file too short\); install"):
        laboratory.wait_until_ready()
    laboratory.close()


def test_the_measuring_process_runs_this_very_package(tmp_path, monkeypatch):
    """Also where this one was found by the current directory, and another version is installed."""
    (tmp_path / "dsconv_cli").mkdir()
    (tmp_path / "dsconv_cli" / "__init__.py").write_text("raise ImportError('another version')")
    monkeypatch.syspath_prepend(tmp_path)
    laboratory = ProcessLaboratory()
    laboratory.wait_until_ready()
    laboratory.close()


def test_words_that_are_no_answer_are_no_endless_wait(tmp_path, monkeypatch):
    """Something in the installation that speaks to stdout before anything else does."""
    (tmp_path / "sitecustomize.py").write_text("print('Hello', flush=True)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    laboratory = ProcessLaboratory()
    with pytest.raises(CannotMeasureError, match="what the measuring process said cannot be read: invalid load key"):
        laboratory.wait_until_ready()
    laboratory.close()


def test_an_answer_that_cannot_be_read_ends_the_process_and_the_waiting(monkeypatch):
    """Whatever goes wrong in reading, such as no memory for it, is said to whoever waits without an end."""

    def full(_):
        raise MemoryError

    monkeypatch.setattr(processes, "receive", full)
    process = processes.JobProcess(fork=False)
    with pytest.raises(CannotMeasureError, match="what the measuring process said cannot be read: MemoryError"):
        process.answer()
    process.kill()


def test_a_job_that_takes_too_long_is_ended():
    laboratory = ProcessLaboratory()
    laboratory.wait_until_ready()
    process = laboratory._process
    with pytest.raises(TimeoutExceededError):
        laboratory.run(MeasureLayer(CPU, Schedule(seconds=60), ConvSpec(8, 8, h=8, w=8)), 0.3)
    assert process._popen.poll() is not None
    laboratory.close()


def test_a_laboratory_whose_process_died_says_so():
    laboratory = ProcessLaboratory()
    laboratory.wait_until_ready()
    laboratory._process._popen.kill()
    laboratory._process._popen.wait()
    with pytest.raises(CannotMeasureError, match=r"measuring process (was killed|ended)"):
        laboratory.run(Probe(CPU), 10)


def test_a_job_that_is_larger_than_a_pipe_arrives_whole():
    """A network as a file is: megabytes, where a pipe holds 64 KiB and gives what it has."""
    reading, writing = os.pipe()
    sent = {"model": bytes(5_000_000)}
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as target:
        sender = threading.Thread(target=forkserver.send, args=(target, sent))
        sender.start()
        assert forkserver.receive(source) == sent
        sender.join()
