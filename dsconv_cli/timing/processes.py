"""Fresh processes to measure in, seen from the process that asks. Knows processes and pipes, not torch."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeVar, cast

from dsconv_cli import interrupts
from dsconv_cli.errors import CannotMeasureError, DsconvError, first_line, need
from dsconv_cli.timing.forkserver import READY, can_fork, died, receive, send
from dsconv_cli.timing.jobs import Job

Answer = TypeVar("Answer")

#: Importing torch took this long on the slowest of machines; after it something is wrong.
_START_TIMEOUT_S = 120.0
_POLL_S = 0.1
#: A pipe whose writers are dead ends at once.
_JOIN_TIMEOUT_S = 5.0
#: A process that was killed is gone by then.
_LAST_BREATH_S = 1.0
#: This very package: it may have been found by the current directory alone, and another version be installed.
_HOME: Final = Path(__file__).resolve().parents[1]
#: What a listener hears last.
_ENDED: Final = object()


class TimeoutExceededError(Exception):
    """A job did not answer in time. Its process is gone."""


class Laboratory(Protocol):
    """Runs jobs, each in a process that has measured nothing before."""

    def wait_until_ready(self) -> None:
        """Return when a job could start at once."""

    def run(self, job: Job[Answer], timeout_s: float) -> Answer:
        """The job's answer. Raises TimeoutExceededError, or the job's own DsconvError."""

    def close(self) -> None:
        """End every process, at once. May be called twice."""


class ProcessLaboratory:
    """The laboratory behind `forkserver`. Starting it returns at once; torch is imported in the other process."""

    def __init__(self, *, forks: bool | None = None) -> None:
        """Without `forks` (by default wherever forking is unsafe) each measurement loads torch anew: seconds.

        Raises:
            CannotMeasureError: torch is not installed.
        """
        need("torch")
        self._forks = can_fork() if forks is None else forks
        self._process: JobProcess | None = JobProcess(fork=self._forks)

    def wait_until_ready(self) -> None:
        """Wait for the import of torch.

        Raises:
            CannotMeasureError: the process does not start, or cannot load torch.
        """
        self._current().wait_until_ready()

    def run(self, job: Job[Answer], timeout_s: float) -> Answer:
        """Run one job in a process of its own."""
        process = self._current()
        process.wait_until_ready()
        try:
            process.send(job)
            answer = process.answer(timeout_s)
        except BaseException:
            self.close()
            raise
        if job.fresh and not self._forks:
            self.close()
        if isinstance(answer, DsconvError):
            raise answer
        return cast("Answer", answer)

    def close(self) -> None:
        """Kill the process and whatever it has started."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _current(self) -> JobProcess:
        if self._process is None:
            self._process = JobProcess(fork=self._forks)
        return self._process


class JobProcess:
    """One started interpreter, its pipes, and a thread that reads what it says."""

    def __init__(self, *, fork: bool) -> None:
        self._said: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._ready = False
        self._unread: CannotMeasureError | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed in kill()
        program = (
            f"import sys; sys.path[:] = {_import_path()!r}; "
            "from importlib import util; "
            f"spec = util.spec_from_file_location('dsconv_cli', {str(_HOME / '__init__.py')!r}); "
            "sys.modules['dsconv_cli'] = package = util.module_from_spec(spec); spec.loader.exec_module(package); "
            f"from dsconv_cli.timing.forkserver import main; main(fork={fork})"
        )
        with interrupts.held:
            self._popen = subprocess.Popen(  # noqa: S603  this interpreter, on a program written above
                [sys.executable, "-P", "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                # A group of its own: Ctrl-C reaches only the process that asked, which then ends the whole group. No
                # session of its own, to which Linux gives as much of a busy processor as to all of the caller's.
                process_group=0,
            )
            interrupts.at_end(self._strike)
        self._jobs = cast("BinaryIO", self._popen.stdin)
        self._answers = cast("BinaryIO", self._popen.stdout)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def wait_until_ready(self) -> None:
        """Wait for the greeting."""
        if self._ready:
            return
        try:
            greeting = self._next(_START_TIMEOUT_S)
        except TimeoutExceededError:
            raise CannotMeasureError(f"the measuring process did not start in {_START_TIMEOUT_S:.0f} s") from None
        if isinstance(greeting, DsconvError):
            raise greeting
        assert greeting == READY
        self._ready = True

    def send(self, job: Job[object]) -> None:
        """Hand over a job. Where nothing is forked several may wait; they are answered in this order."""
        try:
            send(self._jobs, job)
        except OSError as error:
            raise self._death() from error

    def answer(self, timeout_s: float = math.inf) -> object:
        """The next answer, which may be the error that the job raised. Raises TimeoutExceededError."""
        self.wait_until_ready()
        return self._next(timeout_s)

    def kill(self) -> None:
        """End the process, and its children, at once; then collect it."""
        with contextlib.suppress(OSError):
            self._jobs.close()
        self._strike()
        self._popen.wait()
        interrupts.forget(self._strike)
        self._listener.join(_JOIN_TIMEOUT_S)
        self._answers.close()
        self._errors.close()

    def _strike(self) -> None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        else:
            self._popen.kill()

    def _listen(self) -> None:
        try:
            with contextlib.suppress(EOFError):
                while True:
                    self._said.put(receive(self._answers))
        except Exception as error:  # noqa: BLE001  whatever it is: whoever waits must hear of it
            # A process that died while it spoke said a part of an answer; why it died is told elsewhere.
            if self._lives(_LAST_BREATH_S):
                said = "what the measuring process said cannot be read"
                self._unread = CannotMeasureError(f"{said}: {first_line(error)}")
                self._strike()
        self._said.put(_ENDED)

    def _lives(self, seconds: float) -> bool:
        """Whether the process is there after so long."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def _next(self, timeout_s: float) -> object:
        # Waited for in short steps: on Windows a single long wait would not notice Ctrl-C.
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                said = self._said.get(timeout=min(_POLL_S, left))
                if said is _ENDED:
                    raise self._death()
                return said
        raise TimeoutExceededError

    def _death(self) -> CannotMeasureError:
        code = self._popen.wait()
        if self._unread is not None:
            return self._unread
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        return CannotMeasureError(f"{died(code)}: {last[0]}") if last else died(code)


def _import_path() -> list[str]:
    """Where this process imports from, without the current directory.

    A file there that happens to be called as a module is must not be run.
    """
    here = {"", "."}
    with contextlib.suppress(OSError):
        here.add(os.getcwd())  # noqa: PTH109  as `sys.path` has it
    return [one for one in sys.path if one not in here]
