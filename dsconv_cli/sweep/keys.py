"""The keys of a comparison as a sweep's options name them: `macs.ratio`, and `k` for `spec.k`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from dsconv_cli.comparison.keys import keys_of
from dsconv_cli.errors import DsconvError, about
from dsconv_cli.timing.runtimes import RUNTIMES

#: Every key that a row of any run may have.
KEYS: Final = keys_of(tuple(RUNTIMES), named=True, shared=True)
#: The ratios of times on each runtime.
RUNTIME_RATIOS: Final = tuple(f"runtimes.{name}.speedup.value" for name in RUNTIMES)


def resolve(name: str, option: str = "") -> str:
    """The key that `name` means. Errors begin with `option`."""
    with about(option):
        return KEYS.find(name)


def resolve_many(text: str, option: str, known: Collection[str]) -> tuple[str, ...]:
    """Keys between commas, each once. A section, such as `macs`, stands for those of its keys that are `known`.

    `all` stands for everything `known`.
    """
    if text.strip() == "all":
        return tuple(known)
    keys: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        section = [key for key in known if key.startswith(f"{name}.")] if f"spec.{name}" not in KEYS else []
        keys.extend(section or [resolve(name, option)])
    for key in keys:
        if keys.count(key) > 1:
            raise DsconvError(f"{option} has {key} twice")
    return tuple(keys)


def check_present(key: str, absent: Iterable[str], option: str) -> None:
    """Refuse a key of a section that this run does not measure, and "name" where it is `absent`."""
    with about(option):
        if key == "name" and key in absent:
            raise DsconvError("the layers of this sweep have no names; they come from a file, with --from")
        KEYS.check_asked(key, absent)


def is_measured(key: str) -> bool:
    """Whether the value is there only after something was measured."""
    return KEYS.section_of(key) is not None or key.startswith("environment.") or key == "error"
