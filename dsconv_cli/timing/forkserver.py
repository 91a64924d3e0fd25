"""A process that has imported torch and run nothing, and that forks a fresh one for every job.

A process forked from here starts in milliseconds, and what earlier measurements did to their memory, their
threads and torch's caches is unknown to it. Where forking is unsafe (Windows; macOS, whose system libraries
forbid it) the process runs jobs itself, and whoever asks replaces it after each one that measures.

Jobs come in on one pipe and answers leave on another, each as a pickle, which says itself where it ends. The end of
the input, at any time, means that whoever asked is gone: a job under way is killed and the process ends.

The fork server of `multiprocessing` was tried and does not do: it imports the caller's own script in each process,
which must then be guarded for it, it imports from the current directory, and it outlives whoever asked for it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import signal
import sys
from importlib import import_module
from typing import Any, BinaryIO, Final

from dsconv_cli.errors import CannotMeasureError, DsconvError, loading
from dsconv_cli.timing.jobs import Job
from dsconv_cli.timing.runtimes import RUNTIMES

#: Ready, once torch is imported; sent before any answer. An answer is what the job returns, or the error to raise.
READY: Final = "ready"


def can_fork() -> bool:
    """Whether a process that has imported torch may fork here."""
    return hasattr(os, "fork") and sys.platform != "darwin"


def send(stream: BinaryIO, message: object) -> None:
    """One message, whole."""
    stream.write(pickle.dumps(message))
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next message. Raises EOFError where there is none, and that or UnpicklingError where there is a part of one.

    The stream must be buffered: a pipe gives what it holds, and a network is larger than that.
    """
    return pickle.load(stream)  # noqa: S301  written by this program, on a pipe of its own


def run(job: Job[object]) -> object:
    """Run a job in this process: its answer, or the error."""
    try:
        return job.run()
    except DsconvError as error:
        return error
    except Exception as error:  # noqa: BLE001  the process's last words: whoever asked raises them
        return CannotMeasureError(f"the measuring process failed ({type(error).__name__}: {error})")


def serve(jobs: BinaryIO, answers: BinaryIO, *, fork: bool) -> None:
    """Answer jobs until the input ends, each in a child; without `fork` in this process itself."""
    with contextlib.suppress(EOFError, pickle.UnpicklingError, BrokenPipeError):
        try:
            # Once for all the processes that are forked from here.
            with loading("numpy"):
                import_module("numpy")
            with loading("torch"):
                for name in ("layer", "peaks", "probe"):
                    import_module(f"dsconv_cli.timing.worker.{name}")
        except DsconvError as error:
            send(answers, error)
            return
        send(answers, READY)
        while True:
            job = receive(jobs)
            if fork:
                _load_for(job)
            send(answers, _run_forked(job, jobs) if fork else run(job))


def _load_for(job: Job[object]) -> None:
    """Import what takes long and can be imported before a fork. Whatever is wrong with it the job itself will say."""
    conditions = getattr(job, "conditions", None)
    if conditions is not None:
        with contextlib.suppress(Exception):
            RUNTIMES[conditions.runtime].load()
    # What is there now is garbage to no child, and its collections need not go through it.
    gc.freeze()


def _run_forked(job: Job[object], jobs: BinaryIO) -> object:
    """Run a job in a child. Raises EOFError, the child dead, when whoever asked is gone."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _child(job, reading, writing)
    os.close(writing)
    with open(reading, "rb", buffering=0) as pipe:  # noqa: PTH123  a descriptor, not a path
        try:
            data = _read_while_wanted(pipe, jobs)
        except EOFError:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            _, status = os.waitpid(child, 0)
    return _answer(data, status)


def _child(job: Job[object], reading: int, writing: int) -> None:
    """The forked process: answer and end, without the exit handlers of the process it was copied from."""
    try:
        os.close(reading)
        with open(writing, "wb") as pipe:
            pickle.dump(run(job), pipe)
    finally:
        os._exit(0)


def _read_while_wanted(pipe: Any, jobs: BinaryIO) -> bytes:
    """All that the child writes. Raises EOFError if the input ends, or another job comes, before that."""
    data = bytearray()
    while True:
        ready, _, _ = select.select([pipe, jobs], [], [])
        if jobs in ready:
            raise EOFError
        chunk = pipe.read(65536)
        if not chunk:
            return bytes(data)
        data += chunk


def _answer(data: bytes, status: int) -> object:
    try:
        return pickle.loads(data)  # noqa: S301  written by this program's own child
    except (EOFError, pickle.UnpicklingError):
        return died(os.waitstatus_to_exitcode(status))


def died(code: int) -> CannotMeasureError:
    """The error for a measuring process that ended without an answer; `code` below zero is a signal."""
    if code == -getattr(signal, "SIGKILL", 0) < 0:
        return CannotMeasureError("the measuring process was killed, probably because memory ran out")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return CannotMeasureError(f"the measuring process ended without an answer ({how})")


def main(*, fork: bool) -> None:
    """Serve on standard input and output, which nothing else may write to from here on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    serve(jobs, answers, fork=fork)
