"""A sweep on several machines: which of them are there, which may be used, and what each is given next.

dask.distributed carries requests and answers. Who gets what is decided here: a machine has one layer at a time, and
what it had when it died goes to another. Only this process writes; whoever dies costs what was under way.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final, NamedTuple, Self

from dsconv_cli._version import __version__
from dsconv_cli.comparison.keys import keys_of
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.environment import Machine
from dsconv_cli.errors import CannotMeasureError, DsconvError, first_line
from dsconv_cli.numbers import many
from dsconv_cli.sweep.machines import Answer, Request, identify, measure
from dsconv_cli.sweep.observer import Observer

#: What a worker has one of, so that one thing at a time is done on its machine.
RESOURCE: Final = "machine"
_CONNECT_S: Final = 15.0
#: Seconds between two looks at who is there.
_LOOK_EVERY_S: Final = 0.5
#: An answer that is there arrives within.
_FETCH_S: Final = 10.0
#: A layer that so many workers died of is not tried again.
_MOST_DEATHS: Final = 3
#: A peak that is so much off the other machines' is told.
_OFF: Final = 0.2


class Job(NamedTuple):
    """Layers that go to one machine together; `place` is the number of the first."""

    place: int
    layers: tuple[Comparison, ...]


@dataclass(slots=True)
class _Worker:
    """A worker that is there. `job` is what it has; None for a machine that is asked who it is, or has nothing."""

    address: str
    future: Any = None
    machine: Machine | None = None
    job: Job | None = None
    refused: bool = False
    failed: str = ""

    @property
    def host(self) -> str:
        """What messages call it."""
        return self.address if self.machine is None else self.machine.host


class Cluster:
    """The machines behind a scheduler. A context manager, which lets go of them."""

    def __init__(self, address: str, *, mixed: bool, alone: bool, observer: Observer) -> None:
        """Connect.

        Args:
            address: `tcp://HOST:PORT`, or `tls://HOST:PORT`, whose certificates dask's own settings name.
            mixed: whether machines of several kinds may be used.
            alone: whether two workers on one machine would disturb each other.
            observer: who hears of what happens.

        Raises:
            DsconvError: there is no scheduler.
        """
        from distributed import Client

        self.address, self._mixed, self._alone, self._observer = address, mixed, alone, observer
        _hush()
        try:
            self._client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except Exception as error:  # noqa: BLE001  of sockets, of TLS, of versions that do not fit
            raise DsconvError(f"no scheduler answers at {address}: {first_line(error)}") from None
        _hush()
        self._workers: dict[str, _Worker] = {}
        self._done: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._looked = 0.0
        self._kind: str | None = None
        self._deaths: Counter[int] = Counter()
        self._told: set[str] = set()
        self.peaks: dict[str, tuple[str, Mapping[str, float]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self._client.close(timeout=2)

    def answers(self, jobs: Iterable[Job], request: Callable[[Job], Request]) -> Iterator[tuple[Job, Answer]]:
        """The jobs, as they are done, with what came back.

        Args:
            jobs: what is to be done.
            request: what a machine is sent for a job, which is asked when one is free.

        Raises:
            DsconvError: the machines are of several kinds.
            CannotMeasureError: the scheduler is gone.
        """
        waiting, again = iter(jobs), deque[Job]()
        upcoming = next(waiting, None)
        while upcoming is not None or again or any(one.job for one in self._workers.values()):
            again.extend(self._look())
            for worker in self._idle():
                if not again and upcoming is not None:
                    again.append(upcoming)
                    upcoming = next(waiting, None)
                if again:
                    self._give(worker, again.popleft(), request)
            yield from self._hopeless(again)
            for worker in self._finished():
                found = self._fetched(worker)
                if found is not None:
                    self._remember(found[1])
                    yield found

    def off(self) -> Iterator[str]:
        """Machines whose peaks are not those of the others of their kind, a line each."""
        for host, (kind, own) in self.peaks.items():
            others = [peaks for name, (other, peaks) in self.peaks.items() if name != host and other == kind]
            for what, value in own.items():
                usual = median([peaks[what] for peaks in others]) if others else value
                if abs(value / usual - 1) > _OFF:
                    yield f"{host} is unlike the others: its {what} is {value:.3g}, theirs {usual:.3g}"
                    break

    def _look(self) -> Iterator[Job]:
        """Who is there now; what those had who are not is done anew."""
        if time.monotonic() - self._looked < _LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        there = self._there()
        for address, worker in list(self._workers.items()):
            if address not in there:
                del self._workers[address]
                yield from self._lost(worker, f"the worker on {worker.host} is gone")
            elif worker.failed:
                worker.refused = True
                yield from self._lost(worker, f"{worker.host} is not used any more: {worker.failed}")
        for address, told in there.items():
            if address not in self._workers:
                self._workers[address] = self._met(address, told)
        if not self._workers:
            self._once(f"no worker is at {self.address} yet; {_start(self.address)} starts one", self._observer.note)

    def _there(self) -> Mapping[str, Mapping[str, Any]]:
        if self._client.status != "running":
            raise self._gone()
        try:
            found: Mapping[str, Mapping[str, Any]] = self._client.scheduler_info(n_workers=-1)["workers"]
        except Exception:  # noqa: BLE001  whatever the connection raises: it is gone
            raise self._gone() from None
        return found

    def _gone(self) -> CannotMeasureError:
        return CannotMeasureError(f"the scheduler at {self.address} is gone; --resume goes on with what its file lacks")

    def _met(self, address: str, told: Mapping[str, Any]) -> _Worker:
        """A worker that was not there before: it is asked which machine it is on."""
        if told.get("nthreads") != 1 or told.get("resources", {}).get(RESOURCE) != 1:
            how = f"it has not its machine to itself; {_start(self.address)} starts one that has"
            self._once(f"{address} is not used: {how}", self._observer.warn)
            return _Worker(address, refused=True)
        return _Worker(address, self._submit(address, identify))

    def _submit(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        future = self._client.submit(
            function, *arguments, workers=[address], allow_other_workers=False, resources={RESOURCE: 1}, pure=False,
            retries=0,
        )  # fmt: skip
        future.add_done_callback(lambda _: self._done.put(address))
        return future

    def _lost(self, worker: _Worker, why: str) -> Iterator[Job]:
        if worker.future is not None:
            with suppress(Exception):
                worker.future.cancel()
        job, worker.job, worker.future, worker.failed = worker.job, None, None, ""
        if job is None:
            if worker.refused and worker.machine is None:
                self._once(why, self._observer.warn)
            return
        self._deaths[job.place] += 1
        self._observer.warn(f"{why}; what it had goes to another")
        yield job

    def _finished(self) -> Iterator[_Worker]:
        """Those who have answered, after waiting for one a moment."""
        with suppress(queue.Empty):
            address = self._done.get(timeout=_LOOK_EVERY_S / 5)
            while True:
                worker = self._workers.get(address)
                if worker is not None and worker.future is not None and worker.future.done():
                    yield worker
                address = self._done.get_nowait()

    def _fetched(self, worker: _Worker) -> tuple[Job, Answer] | None:
        """What it did; None where it only said who it is, or died over it."""
        try:
            found = worker.future.result(timeout=_FETCH_S)
        except Exception as error:  # noqa: BLE001  of dask, of the connection, or of an installation that is not ours
            if self._client.status != "running":
                raise self._gone() from None
            # It may have died; the next look tells.
            worker.failed = first_line(error)
            return None
        worker.future = None
        if not isinstance(found, Answer):
            self._admit(worker, *found)
            return None
        job, worker.job = worker.job, None
        assert job is not None
        self._tell_work()
        return job, found

    def _admit(self, worker: _Worker, machine: Machine, version: str) -> None:
        worker.machine = machine
        why = ""
        if version != __version__:
            why = f"it has dsconv {version}, and this is {__version__}"
        elif not self._mixed and self._kind not in {None, machine.kind}:
            why = f"it is another kind of machine ({machine.kind}); --allow-mixed uses it"
        if why:
            worker.refused = True
            self._once(f"{machine.host} is not used: {why}", self._observer.warn)

    def _one_kind(self) -> str:
        """The kind of all that are there at the beginning. Raises DsconvError if there are several."""
        kinds: dict[str, list[str]] = {}
        for one in self._workers.values():
            if one.machine is not None and not one.refused:
                kinds.setdefault(one.machine.kind, []).append(one.machine.host)
        if len(kinds) > 1:
            told = "; ".join(f"{', '.join(hosts)}: {kind}" for kind, hosts in kinds.items())
            raise DsconvError(
                f"the machines are of {len(kinds)} kinds, whose times are not mixed ({told}); stop some of the "
                "workers, or keep the kinds apart with --allow-mixed"
            )
        return next(iter(kinds))

    def _idle(self) -> Iterator[_Worker]:
        """Those who can be given something, one on each machine."""
        if self._kind is None and not self._mixed:
            known = [one for one in self._workers.values() if not one.refused]
            if not known or any(one.machine is None for one in known):
                return
            self._kind = self._one_kind()
        busy = {self._on(one) for one in self._workers.values() if one.job is not None}
        for one in self._workers.values():
            if one.machine is None or one.refused or one.job is not None:
                continue
            if self._alone and self._on(one) in busy:
                why = "layers that are timed side by side disturb each other"
                self._once(f"of two workers on {one.machine.host} one waits: {why}", self._observer.warn)
                continue
            busy.add(self._on(one))
            yield one

    def _on(self, worker: _Worker) -> tuple[str, str] | None:
        return None if worker.machine is None else (worker.machine.host, worker.machine.boot)

    def _give(self, worker: _Worker, job: Job, request: Callable[[Job], Request]) -> None:
        worker.job = job
        worker.future = self._submit(worker.address, measure, request(job))
        self._tell_work()

    def _tell_work(self) -> None:
        self._observer.at_work(
            {one.machine.host: one.job.layers[0].label for one in self._workers.values() if one.machine and one.job}
        )

    def _hopeless(self, jobs: deque[Job]) -> Iterator[tuple[Job, Answer]]:
        """Jobs that workers keep dying of, as rows that say so."""
        for job in [one for one in jobs if self._deaths[one.place] >= _MOST_DEATHS]:
            jobs.remove(job)
            why = f"{many(_MOST_DEATHS, 'worker')} died of it, one after the other"
            keys = keys_of(named=True, shared=True)
            documents = tuple(keys.document(replace(one, error=why, machine=_NOBODY)) for one in job.layers)
            yield job, Answer(documents, ({},) * len(documents), 0.0)

    def _remember(self, answer: Answer) -> None:
        for document in answer.documents:
            if document["time"] is not None:
                own = document["environment"]["machine"]
                peaks = {name: value for name, value in document["time"]["peaks"].items() if value is not None}
                self.peaks[own["host"]] = (own["kind"], peaks)

    def _once(self, text: str, tell: Callable[[str], None]) -> None:
        if text not in self._told:
            self._told.add(text)
            tell(text)


def _start(address: str) -> str:
    """How a worker is started, as messages say it."""
    return f"dask worker {address} --nthreads 1 --resources {RESOURCE}=1"


#: Whose row it is that nobody lived to write.
_NOBODY: Final = Machine("", "", "", "", "", 1, "", "")


def _hush() -> None:
    """What dask logs are its own affairs; what matters of them is said here."""
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
