"""From a `.pt2` file to an exported program: what was understood of it is copied, and torch reads the copy."""

from __future__ import annotations

import io
import logging
import re
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch.export import ExportedProgram

from dsconv_cli.errors import DsconvError
from dsconv_cli.files import reason
from dsconv_cli.model.exported.archive import Archive, Layout
from dsconv_cli.model.exported.checks import RefusedError
from dsconv_cli.model.exported.payloads import checked_table
from dsconv_cli.model.exported.program import checked_program
from dsconv_cli.model.exported.saved import read_saved
from dsconv_cli.model.foreign import blaming

#: What torch.export.save writes since torch 2.8.
_ARCHIVE: Final = Layout(
    *("archive_format", "archive_version", "byteorder", "version", r"\.format_version", r"\.storage_alignment"),
    *(r"\.data/(version|serialization_id)", r"models/model\.json", r"data/sample_inputs/model\.pt"),
    *(r"data/weights/(weight_\d{1,9}|model_weights_config\.json|model\.pt)",),
    *(r"data/constants/(tensor_\d{1,9}|model_constants_config\.json|model\.pt)",),
    "extra/[^/]+",
    folder=True,
)
#: What it wrote before.
_OLD: Final = Layout(
    *("version", r"serialized_exported_program\.json", "extra_files/[^/]+"),
    r"serialized_(state_dict|constants|example_inputs)\.pt",
    folder=False,
)
_MARKERS: Final = {
    "archive_format": re.compile(rb"pt2"),
    "archive_version": re.compile(rb"\d{1,4}"),
    "version": re.compile(rb"\d{1,4}\n?"),
    ".data/version": re.compile(rb"\d{1,4}\n?"),
    "byteorder": re.compile(rb"little"),
}
_PROGRAM: Final = "models/model.json"
_INPUTS: Final = "data/sample_inputs/model.pt"
_OLD_PROGRAM: Final = "serialized_exported_program.json"
_KINDS: Final = {"weights": "weight_", "constants": "tensor_"}


def load_program(path: Path) -> ExportedProgram:
    """Read a `.pt2` file without running anything that is in it.

    Raises:
        DsconvError: there is none, or it holds what is not understood; the message says what.
        CannotMeasureError: torch cannot read it.
    """
    copy = _checked_copy(path)
    with blaming(f"torch could not read {path}", ": "), _first_fault():
        return torch.export.load(copy)


def _checked_copy(path: Path) -> io.BytesIO:
    """The file again, as far as it was understood: what torch reads is nothing but what was checked."""
    try:
        with Archive(path, _ARCHIVE, _OLD) as archive:
            if _OLD_PROGRAM in archive.sizes:
                return _written(_old_entries(archive), "")
            return _written(_entries(archive), "archive/")
    except RefusedError as error:
        raise DsconvError(f"{path} is not read: {error}") from None
    except OSError as error:
        raise DsconvError(f"cannot read {path}: {reason(error)}") from None


def _entries(archive: Archive) -> Iterator[tuple[str, bytes]]:
    """What is passed on of the newer layout. One at a time: weights are large."""
    for marker, known in _MARKERS.items():
        if marker in archive.sizes or marker.startswith("archive_"):
            content = archive.read(marker)
            if not known.fullmatch(content):
                raise RefusedError(f"{marker} is {content[:20]!r}, which is not of a torch.export program")
            yield marker, content
    yield _PROGRAM, _program(archive, _PROGRAM)
    for kind, stem in _KINDS.items():
        yield from _payloads(archive, kind, stem)
    yield _INPUTS, _saved(archive, _INPUTS)


def _payloads(archive: Archive, kind: str, stem: str) -> Iterator[tuple[str, bytes]]:
    together = f"data/{kind}/model.pt"
    if together in archive.sizes:
        # All of them in one pickle, as torch 2.8 wrote them.
        yield together, _saved(archive, together)
        return
    name = f"data/{kind}/model_{kind}_config.json"
    with _naming(name):
        table, names = checked_table(archive.read(name), f"data/{kind}/{stem}", archive.sizes)
    yield name, table
    for one in names:
        yield one, archive.read(one)


def _old_entries(archive: Archive) -> Iterator[tuple[str, bytes]]:
    """What is passed on of the older layout."""
    yield "version", archive.read("version")
    yield _OLD_PROGRAM, _program(archive, _OLD_PROGRAM)
    for name in ("serialized_state_dict.pt", "serialized_constants.pt", "serialized_example_inputs.pt"):
        yield name, _saved(archive, name)


def _program(archive: Archive, name: str) -> bytes:
    with _naming(name):
        return checked_program(archive.read(name))


def _saved(archive: Archive, name: str) -> bytes:
    """What `torch.save` wrote there, written anew; nothing where there is nothing."""
    if not archive.sizes.get(name):
        return b""
    with _naming(name):
        found = read_saved(archive.read(name))
    buffer = io.BytesIO()
    torch.save(found, buffer)
    return buffer.getvalue()


@contextmanager
def _naming(entry: str) -> Iterator[None]:
    """What is refused meanwhile is in `entry`."""
    try:
        yield
    except RefusedError as error:
        raise RefusedError(f"{entry}: {error}") from None
    except RecursionError:
        raise RefusedError(f"{entry}: nested deeper than any inputs") from None


def _written(entries: Iterator[tuple[str, bytes]], folder: str) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as copy:
        for name, content in entries:
            copy.writestr(f"{folder}{name}", content)
    buffer.seek(0)
    return buffer


@contextmanager
def _first_fault() -> Iterator[None]:
    """Raise what torch only logs when it cannot read a program, instead of "check the warnings above"."""
    faults: list[BaseException | None] = []
    logger: Any = logging.getLogger("torch.export")
    # A handler would hear nothing: logs are turned off around foreign code.
    logger.warning = lambda *_, **__: faults.append(sys.exc_info()[1])
    try:
        yield
    except Exception as error:  # noqa: BLE001  whichever it is, it goes on
        first = faults[0] if faults and "warnings above" in str(error) else None
        raise first or error from None
    finally:
        del logger.warning
