"""The keys of a comparison as a sweep's options name them: `macs.ratio`, and `k` for `spec.k`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dsconv_cli.comparison.keys import NAMED_KEYS as KEYS
from dsconv_cli.errors import DsconvError


def resolve(name: str, option: str = "") -> str:
    """The key that `name` means: itself, its `.value`, or the layer's `spec.` key.

    Raises:
        DsconvError: there is none; the message lists them, the nearest first. `option` is named in it.
    """
    with _told_by(option):
        return KEYS.find(name, within="spec")


def resolve_many(text: str, option: str) -> tuple[str, ...]:
    """Keys between commas. A section, such as `macs`, stands for all of its keys.

    Raises:
        DsconvError: an unknown key, or one that is there twice.
    """
    keys: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        section = [key for key in KEYS if key.startswith(f"{name}.")] if f"spec.{name}" not in KEYS else []
        keys.extend(section or [resolve(name, option)])
    for key in keys:
        if keys.count(key) > 1:
            raise DsconvError(f"{option} has {key} twice")
    return tuple(keys)


def check_present(key: str, absent: Iterable[str], option: str) -> None:
    """Refuse a key of a section that this run does not measure, and "name" where it is `absent`.

    Raises:
        DsconvError: it is one.
    """
    with _told_by(option):
        if key == "name" and key in absent:
            raise DsconvError("the layers of this sweep have no names; they come from a file, with --from")
        KEYS.check_asked(key, absent)


def is_measured(key: str) -> bool:
    """Whether the value is there only after something was measured."""
    return KEYS.section_of(key) is not None or key.startswith("environment.")


@contextmanager
def _told_by(option: str) -> Iterator[None]:
    """Errors begin with the option that they are about."""
    try:
        yield
    except DsconvError as error:
        raise DsconvError(f"{option}: {error}" if option else str(error)) from None
