"""Sweeps on several machines: the real commands of dask, on loopback, with workers that take themselves for machines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from types import SimpleNamespace

import pytest
from conftest import ROOT, SCRIPT, clean_environment
from terminals import PATIENCE_S

from dsconv_cli.cli import run
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.environment import machine
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.sweep.cluster import Cluster, Job
from dsconv_cli.sweep.observer import Observer
from dsconv_cli.sweep.shared import Budget

pytest.importorskip("distributed", reason="dask.distributed, the extra [dask], is not installed")


class Site:
    """A scheduler on `host`, where the client is too, and its workers. What they say is in `folder`.

    `near` is what a command begins with so that it runs on that host.
    """

    def __init__(self, folder, host="127.0.0.1", near=()):
        self.folder, self.host, self.near = folder, host, near
        self.rows = folder / "rows.jsonl"
        self._running = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"tcp://{host}:{self.port}"

    def start(self, name, *command, **env):
        with (self.folder / f"{name}.log").open("w") as log:
            path = f"{ROOT}:{ROOT / 'tests'}"
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=clean_environment(PYTHONPATH=path, **env)
            )
        self._running.append(process)
        return process

    def scheduler(self):
        process = self.start(
            "scheduler", *self.near, sys.executable, "-m", "dask", "scheduler", "--host", self.host, "--port",
            str(self.port), "--no-dashboard",
        )  # fmt: skip
        self.until(lambda: self.address in self.said("scheduler"))
        return process

    def worker(self, name, *more, host="127.0.0.1", near=()):
        return self.start(
            name.replace("/", "-"), *near, sys.executable, "-m", "dask", "worker", self.address, "--host", host,
            "--nthreads", "1", "--resources", "machine=1", "--no-nanny", "--no-dashboard", "--preload",
            "machine_preload", *more, MACHINE=name,
        )  # fmt: skip

    def sweep(self):
        return self.start(
            "sweep", *self.near, str(SCRIPT), "sweep", "--k", "1:12", "--c", "3", "--profiler", "none", "--time",
            "--cluster", self.address, "--resume", "--output", str(self.rows),
        )  # fmt: skip

    def said(self, name="sweep"):
        return (self.folder / f"{name}.log").read_text("utf-8")

    def documents(self):
        lines = self.rows.read_bytes().splitlines(keepends=True) if self.rows.exists() else []
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def hosts(self):
        return [one["environment"]["machine"]["host"] for one in self.documents()]

    def open(self):
        (self.folder / "open").touch()

    def close(self):
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.wait()

    def until(self, done):
        end = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < end, {path.name: path.read_text() for path in self.folder.glob("*.log")}
            time.sleep(0.05)


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.close()


def test_whoever_dies_and_whoever_comes(site, valid):
    """A worker is killed with a layer in its hands, then the scheduler, then the client: every layer is there once.

    Of those that come late one is welcome, and one is of another kind.
    """
    scheduler, killed = site.scheduler(), site.worker("alpha")
    workers = [site.worker("beta")]
    sweep = site.sweep()
    site.until(lambda: sorted(site.hosts()) == ["alpha", "beta"])
    killed.send_signal(signal.SIGKILL)
    workers += [site.worker("gamma"), site.worker("delta/odd")]
    site.until(lambda: "gamma" in site.hosts() and "delta is not used" in site.said())

    scheduler.send_signal(signal.SIGKILL)
    assert sweep.wait(PATIENCE_S) == 3
    told = site.said()
    assert "warning: the worker on alpha is gone; what it had goes to another" in told
    assert "warning: delta is not used: it is another kind of machine (odd); --allow-mixed uses it" in told
    assert "note: timing 12 layers takes at most 3:00, split over them" in told
    (error,) = [line for line in told.splitlines() if line.startswith("error:")]
    assert error == f"error: the scheduler at {site.address} is gone; --resume goes on with what its file lacks"
    assert "Traceback" not in told
    for worker in workers:
        worker.kill()

    site.scheduler()
    site.worker("eta")
    sweep = site.sweep()
    site.until(lambda: "eta" in site.hosts())
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    assert sorted(site.hosts()) == ["alpha", "beta", "eta", "gamma"]
    site.open()
    assert site.sweep().wait(PATIENCE_S) == 0, site.said()
    assert "4 rows were there, 8 were added" in site.said()
    assert sorted(one["spec"]["k"] for one in site.documents()) == list(range(1, 13))
    for one in site.documents():
        valid(one)
        assert one["error"] is None
        here = one["environment"]["machine"]
        assert (here["kind"], here["cores"], here["stepping"]) == ("usual", machine().cores, machine().stepping)


@pytest.fixture
def hosts():
    """Two network namespaces with a cable between them: what a command begins with, and the address, of each."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2's ip")
    names = [f"dsconv{side}{os.getpid()}" for side in "ab"]

    def ip(*words):
        return subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        ip("netns", "add", names[0])
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespace: {error.stderr.decode().strip()}")
    try:
        ip("netns", "add", names[1])
        ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
        for number, name in enumerate(names, 1):
            ip("-n", name, "addr", "add", f"10.79.0.{number}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield [(("ip", "netns", "exec", name), f"10.79.0.{number}") for number, name in enumerate(names, 1)]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def test_a_worker_on_another_host(hosts, tmp_path):
    """Scheduler and client in one network namespace, a worker in another: all goes through the cable between them."""
    (near, host), (far, other) = hosts
    site = Site(tmp_path, host, near)
    try:
        site.scheduler()
        site.worker("far", host=other, near=far)
        site.open()
        assert site.sweep().wait(PATIENCE_S) == 0, site.said()
    finally:
        site.close()
    assert site.hosts() == ["far"] * 12
    assert f"tcp://{other}:" in site.said("scheduler")


def test_machines_of_several_kinds(site, dsconv):
    """Refused, unless they may be mixed; then what they measured is kept apart, and who is unlike the others is named."""
    site.scheduler()
    names = ("alpha", "lame", "delta/odd", "alpha")
    for number, name in enumerate(names):
        site.worker(name, "--name", f"{number}")
    site.until(lambda: site.said("scheduler").count("Register worker") == len(names))
    site.open()
    common = ("sweep", "--c", "3", "--profiler", "none", "--time", "--cluster", site.address)
    done = dsconv(*common, "--k", "1:9")
    assert done.returncode == 2
    (refused,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "the machines are of 2 kinds, whose times are not mixed (" in refused
    assert "delta: odd" in refused
    assert "--allow-mixed" in refused
    done = dsconv(*common, "--k", "1:60", "--allow-mixed", "--summary", "--format", "json")
    assert done.returncode == 3
    found, err = json.loads(done.stdout), done.stderr
    assert [(one["kind"], one["summary"]["time.speedup.value"]["median"]) for one in found["kinds"]] in (
        [("usual", 2.6), ("odd", 2.6)], [("odd", 2.6), ("usual", 2.6)],
    )  # fmt: skip
    assert "time.speedup.value" not in found["summary"]
    assert found["summary"]["macs.ratio"]["max"] == pytest.approx(1 / (1 / 60 + 1 / 9))
    assert "warning: of two workers on alpha one waits: layers that are timed side by side disturb each other" in err
    assert "warning: lame is unlike the others: its copy_bytes_per_s is 1e+10, theirs 2e+10" in err
    assert "error: k=13 c=3 r=3 s=3 h=56 w=56: thirteen channels bring bad luck" in err


def test_a_worker_that_has_not_its_machine_to_itself():
    """What a scheduler tells of a worker that was started without the two options."""
    told = []
    one = object.__new__(Cluster)
    one.address, one._told, one._observer = "tcp://a:1", set(), SimpleNamespace(warn=told.append)
    for known in ({"nthreads": 2, "resources": {"machine": 1}}, {"nthreads": 1, "resources": {}}, {"nthreads": 1}):
        assert one._met("tcp://b:2", known).refused
    assert told == [
        (
            "tcp://b:2 is not used: it has not its machine to itself; dask worker tcp://a:1 --nthreads 1 --resources machine=1 "
            "starts one that has"
        )
    ]


def test_what_keeps_killing_workers_is_a_row_that_says_so():
    one = object.__new__(Cluster)
    job = Job(3, (closed_forms(ConvSpec(8, 4)),))
    one._deaths, one._observer = Counter({3: 3}), Observer()
    waiting = deque([job])
    ((found, answer),) = one._hopeless(waiting)
    (row,) = answer.documents
    assert (found, row["error"], row["time"], len(waiting)) == (
        job,
        "3 workers died of it, one after the other",
        None,
        0,
    )
    one._deaths[3] = 2
    assert list(one._hopeless(deque([job]))) == []


def test_the_budget_of_all_machines_is_shared():
    """60 s over 6 layers: what two leave goes to the others, a layer that is done again gets the same, none gets nothing."""
    budget = Budget(60, 6)
    assert [budget.share(place) for place in (4, 1)] == [10, 10]
    budget.spent(4, 4)
    assert budget.share(4) == 10
    budget.spent(1, 2)
    assert budget.share(0) == (60 - 4 - 2) / 4
    budget.spent(0, 13.5)
    assert budget.share(2) == 13.5
    budget.spent(2, 100)
    assert budget.share(3) == 5


def test_no_scheduler_and_no_address(capsys, monkeypatch):
    from dsconv_cli.sweep import cluster

    monkeypatch.setattr(cluster, "_CONNECT_S", 1.0)
    arguments = ("sweep", "--k", "1:9", "--c", "3", "--time", "--quiet")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        assert run([*arguments, "--cluster", address]) == 2
    assert capsys.readouterr().err.startswith(f"error: no scheduler answers at {address}: ")
    for wrong in ("localhost:8786", "http://a:1", "tcp://a", "tcp://a:b"):
        assert run([*arguments, "--cluster", wrong]) == 2
        told = capsys.readouterr().err
        assert told == f"error: --cluster takes tcp://HOST:PORT, or tls:// with certificates, not {wrong!r}\n"
    assert run([*arguments, "--allow-mixed"]) == 2
    assert "it goes with that" in capsys.readouterr().err
    assert run([*arguments, "--cluster", "tcp://a:1", "--allow-mixed", "--plot", "a.svg"]) == 2
    assert "a picture of times would put machines of several kinds into one line" in capsys.readouterr().err
