"""`--baseline` and `--fail-if-grows`: options → an earlier result that is known to be comparable, and its limits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsconv_cli.baseline.beside import Baseline, layer_baseline, network_baseline
from dsconv_cli.baseline.change import OPTION, Limit, parse_limit
from dsconv_cli.cli.output_options import GateOptions
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.errors import DsconvError
from dsconv_cli.keys import Keys
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.keys import selection_section
from dsconv_cli.model.result import ModelResult, Selection

if TYPE_CHECKING:
    from dsconv_cli.cli.destinations import File
    from dsconv_cli.cli.streams import Streams


def path_of(gates: GateOptions, files: Iterable[File], streams: Streams) -> Path | None:
    """The earlier result; None where none is asked for, or where there is none yet and this run writes the first."""
    if gates.baseline is None:
        return None
    path = Path(gates.baseline)
    try:
        is_first = not path.exists() and path.resolve() in {file.path.resolve() for file in files}
    except (OSError, RuntimeError):
        # What cannot be looked at is told of where it is read or written.
        is_first = False
    if is_first:
        streams.note(f"there is no baseline {path} yet: this run writes it")
        return None
    return path


def of_layer(
    path: Path | None, gates: GateOptions, keys: Keys[Comparison], absent: Collection[str], spec: ConvSpec
) -> Baseline | None:
    """The baseline of one layer, if there is to be one.

    Raises:
        DsconvError: it is of another layer, or no baseline at all; or a limit is on nothing that can be compared.
    """
    limits = limits_of(gates, keys, absent, keys.find)
    if path is None:
        return None
    return layer_baseline(path, limits, keys, keys.document(closed_forms(spec))["spec"])


def of_network(
    path: Path | None, gates: GateOptions, keys: Keys[ModelResult], absent: Collection[str], selection: Selection
) -> Baseline | None:
    """The same of a network, of which it is known which layers are chosen."""
    limits = limits_of(gates, keys, absent, lambda name: _total(keys, name))
    if path is None:
        return None
    return network_baseline(path, limits, keys, selection_section(selection))


def limits_of(
    gates: GateOptions, keys: Keys[Any], absent: Collection[str], find: Callable[[str], str]
) -> tuple[Limit, ...]:
    """Every `--fail-if-grows`. `absent` are the sections that this run does not measure."""
    found = tuple(parse_limit(text, keys, find) for text in gates.fail_if_grows or ())
    if found and gates.baseline is None:
        raise DsconvError(f"{OPTION} needs --baseline FILE.json, an earlier result to compare with")
    for limit in found:
        keys.check_asked(limit.key, absent)
    return found


def _total(keys: Keys[Any], name: str) -> str:
    """`macs` is what the network costs as it is."""
    short = (f"totals.{name}.before", f"totals.{name}.before.median_s")
    return next((key for key in short if key in keys), None) or keys.find(name)
