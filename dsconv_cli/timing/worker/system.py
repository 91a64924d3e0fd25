"""What the system tells about itself: cores, memory, how busy it is.

Read by hand: it is a few files of Linux, and the package that reads them everywhere (psutil) knows of no container's
share of cores or memory.
"""

from __future__ import annotations

import os

from dsconv_cli.environment import told


def available_cores() -> int:
    """Cores that this process may use: its affinity mask, and a container's share of processor time."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    quota = _cgroup_cores()
    return cores if quota is None else max(1, min(cores, int(quota)))


def _cgroup_cores() -> float | None:
    """The processor time a Linux control group (version 2 or 1) grants, in cores; None without a limit."""
    both = told("/sys/fs/cgroup/cpu.max").split()
    if not both:
        both = [told(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period")]
    try:
        quota, period = (float(part) for part in both)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def busy_seconds() -> float | None:
    """Processor seconds that everything on this machine has used, and that a hypervisor took; None if unknown.

    Linux tells, in ticks of 10 ms.
    """
    fields = told("/proc/stat").partition("\n")[0].split()
    if not fields or fields[0] != "cpu":
        return None
    user, nice, system, _idle, _iowait, *interrupts_and_steal = (int(field) for field in fields[1:9])
    return (user + nice + system + sum(interrupts_and_steal)) / os.sysconf("SC_CLK_TCK")


def free_memory() -> int | None:
    """Bytes of main memory that can still be had, or None where the system does not tell."""
    kibibytes = _beside("MemAvailable:", "/proc/meminfo")
    free = _physical_memory() if kibibytes is None else kibibytes * 1024
    limit, used = told("/sys/fs/cgroup/memory.max"), told("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and used.isdigit():
        # Of what is used the system takes back what it keeps of files that nobody reads.
        spare = _beside("inactive_file", "/sys/fs/cgroup/memory.stat") or 0
        left = max(0, int(limit) - int(used) + spare)
        free = left if free is None else min(free, left)
    return free


def _beside(name: str, path: str) -> int | None:
    """The number beside a name in one of the system's tables."""
    rows = map(str.split, told(path).splitlines())
    return next((int(row[1]) for row in rows if row[:1] == [name]), None)


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
