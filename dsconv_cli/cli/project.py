"""`[tool.dsconv]` of a project's pyproject.toml: what `dsconv model` takes where its options say nothing.

    [tool.dsconv]
    target = "net.py:net"
    input = "1,3,224,224"
    fail-over = ["totals.macs.before=600M"]

The keys are the names of options. The nearest pyproject.toml that has the table counts, from the current directory
upwards. Paths in it are relative to it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dsconv_cli.cli.help import PlainCommand
from dsconv_cli.cli.streams import say
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.text import listed, split_format

FILE: Final = "pyproject.toml"
TABLE: Final = "[tool.dsconv]"
#: What a run decides, and not a project.
_RUNS_OWN: Final = frozenset({"format_name", "get", "keys", "json", "quiet", "verbose", "color", "no_config"})
#: A part of a value that has no more characters stands in messages by chance.
_TELLING: Final = 3
#: Values that begin with a file where they name one, that are files, and that may begin with the format of one.
_NAMING: Final = ("target", "inputs")
_FILES: Final = ("baseline", "save", "plot", "layers")
_WITH_FORMAT: Final = "output"
#: What is said in one way only: where a command line has one of a pair, the project's other one does not count.
_RIVALS: Final = (("input", "inputs"), ("input_dtype", "inputs"), ("depth", "top"), ("min_fidelity", "max_error"))

Value = str | bool | list[str]


@dataclass(frozen=True, slots=True)
class Project:
    """A file that has the table, and the values in it by the names of parameters."""

    file: Path
    values: Mapping[str, Value]

    def told(self, used: Mapping[str, Value]) -> str:
        """What was taken from it, for --verbose."""
        said = "; ".join(f"{_key(name)} = {' '.join(_texts(value))}" for name, value in used.items())
        return f"from {self.file} {TABLE}: {said}"

    def blame(self, error: DsconvError, used: Mapping[str, Value]) -> None:
        """Let an error name the keys of the file that it is about, if any."""
        message = str(error)
        about = [_key(name) for name, value in used.items() if _is_about(message, name, value)]
        if about:
            error.args = (f"{message} ({' and '.join(about)} in {self.file}, {TABLE})",)


def _is_about(message: str, name: str, value: Value) -> bool:
    # Whole words: --input is not in --inputs, nor ARG in TARGET.
    named = re.search(rf"(--{_key(name)}|\b{name.upper()})(?![\w-])", message)
    parts = (part for text in _texts(value) for part in re.split("[=:]", text))
    return bool(named) or any(len(part) > _TELLING and part in message for part in parts)


def rivals_of(given: set[str]) -> set[str]:
    """What a project's file says in vain where the command line has `given`."""
    return {other for pair in _RIVALS for one, other in (pair, pair[::-1]) if one in given} - given


def _table(file: Path) -> Mapping[str, Any] | None:
    """The table of a file; None where there is none. A file that is not for us may be as broken as it likes."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    import tomllib

    try:
        table = tomllib.loads(text).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        if "tool.dsconv" not in text:
            return None
        raise DsconvError(f"{file} cannot be read: {error}") from None
    found = table.get("dsconv") if isinstance(table, dict) else None
    if found is not None and not isinstance(found, dict):
        raise DsconvError(f"{file}: tool.dsconv must be a table, {TABLE}")
    return found


def _checked(file: Path, table: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    names = {_key(name): name for name in params if name not in _RUNS_OWN}
    for key, value in table.items():
        if key not in names:
            from difflib import get_close_matches

            near = get_close_matches(key, names, n=3)
            hint = f"did you mean {listed(near)}?" if near else f"keys are {', '.join(names)}"
            raise DsconvError(f"{file}, {TABLE}: unknown key {quoted(key)}; {hint}")
        name = names[key]
        yield name, _located(file, name, _value(f"{file}, {TABLE}: {key}", value, params[name]))


def _value(where: str, value: Any, param: Any) -> Value:
    """A value as the option takes it: TOML's numbers may stand for texts, and one text for a list of one."""
    if getattr(param, "is_flag", False):
        if not isinstance(value, bool):
            raise DsconvError(f"{where} must be true or false, not {quoted(value)}")
        return value
    if param.multiple:
        return [_text(where, one, "text or a list of texts") for one in _listed(param.name, value)]
    return _text(where, value, "text")


def _listed(name: str, value: Any) -> list[Any]:
    """`input = [1, 3, 224, 224]` is one shape."""
    if not isinstance(value, list):
        return [value]
    if name == "input" and value and all(_is_number(one) for one in value):
        return [value]
    return value


def _text(where: str, value: Any, wanted: str) -> str:
    if isinstance(value, list) and value and all(_is_number(one) for one in value):
        return ",".join(map(str, value))
    if isinstance(value, str):
        return value
    if _is_number(value):
        return str(value)
    raise DsconvError(f"{where} must be {wanted}, not {quoted(value)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _located(file: Path, name: str, value: Value) -> Value:
    """A file in a value, from where we are: `net.py:net` is beside the pyproject.toml that says so."""
    if isinstance(value, list):
        return [str(_located(file, name, one)) for one in value]
    if not isinstance(value, str) or not value or file.parent == Path.cwd():
        return value
    if name in _FILES:
        return os.path.relpath(file.parent / value)
    if name == _WITH_FORMAT:
        from dsconv_cli.report.formats import formats_of

        form, path = split_format(value, {one.name for one in formats_of("model").values()})
        return f"{form}{':' * bool(form)}{os.path.relpath(file.parent / path)}" if path else value
    first, colon, rest = value.partition(":")
    if name in _NAMING and ("/" in first or first.endswith((".py", ".pt2", ".onnx"))):
        return f"{os.path.relpath(file.parent / first)}{colon}{rest}"
    return value


def _texts(value: Value) -> list[str]:
    return value if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else value]


def _key(name: str) -> str:
    return name.replace("_", "-")


#: With one of these nothing is run, or nothing is to be read.
_UNREAD: Final = frozenset({"-h", "--help", "--keys", "--no-config"})
_META: Final = "dsconv_cli.project"


class ProjectCommand(PlainCommand):
    """A command that takes from the project's file what its options do not say."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does, with the file's values for defaults."""
        project = None if ctx.resilient_parsing or _UNREAD.intersection(args) else self._project()
        if project is None:
            return super().parse_args(ctx, args)
        ctx.default_map = dict(project.values)
        rest = super().parse_args(ctx, args)
        sources = {name: ctx.get_parameter_source(name).name for name in ctx.params}
        vain = rivals_of({name for name, source in sources.items() if source == "COMMANDLINE"})
        defaults = {param.name: param.default for param in self.params}
        ctx.params.update((name, defaults[name]) for name in vain & {*project.values})
        used = {name: value for name, value in project.values.items() if sources[name] == "DEFAULT_MAP"}
        ctx.meta[_META] = project, {name: value for name, value in used.items() if name not in vain}
        return rest

    def invoke(self, ctx: Any) -> Any:
        """As typer does. Errors name the file where they are about what it says."""
        project, used = ctx.meta.get(_META, (None, {}))
        if project is None or not used:
            return super().invoke(ctx)
        if ctx.params["verbose"]:
            say("note", project.told(used), ctx.params["color"])
        # After what is installed, as the current directory is.
        sys.path.append(str(project.file.parent))
        try:
            return super().invoke(ctx)
        except DsconvError as error:
            project.blame(error, used)
            raise

    def _project(self) -> Project | None:
        """The nearest that says anything to us.

        Raises:
            DsconvError: the file cannot be read, or a value in it is not what it should be; both are named.
        """
        try:
            here = Path.cwd()
        except OSError:
            return None
        params = {param.name or "": param for param in self.params}
        for home in (here, *here.parents):
            table = _table(home / FILE)
            if table is not None:
                return Project(home / FILE, dict(_checked(home / FILE, table, params)))
        return None
