"""The table as a picture, for a README or slides."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.layer.spec import ConvSpec, Pair
from dsconv_cli.report import View
from dsconv_cli.report.table import make_console, natural_width, renderable

_OWN_FONT: Final = "Fira Code, Menlo, Consolas, DejaVu Sans Mono, monospace"


def _template() -> str:
    """Rich's picture, without the font it fetches from the network and with columns kept in every viewer."""
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code, monospace", _OWN_FONT)
    return template.replace("<svg ", '<svg xml:space="preserve" ', 1)


def render(comparison: Comparison, view: View) -> str:
    """An SVG of the table, whatever the terminal is like."""
    shown = replace(view, width=None, unicode=True, color=True)
    console = make_console(io.StringIO(), shown, natural_width(comparison, shown))
    console.record = True
    console.print(renderable(comparison, shown))
    return console.export_svg(title=command_of(comparison.spec), code_format=_template(), unique_id="dsconv")


def command_of(spec: ConvSpec) -> str:
    """The command that compares `spec`: K, C, R and S, and what differs from the defaults."""
    words = [f"dsconv compare --k {spec.k} --c {spec.c} --r {spec.r} --s {spec.s}"]
    usual = ConvSpec(spec.k, spec.c, spec.r, spec.s, spec.h, spec.w, dilation=spec.dilation)
    sizes = (("h", spec.h, 56), ("w", spec.w, 56), ("batch", spec.batch, 1))
    words += [f"--{name} {size}" for name, size, default in sizes if size != default]
    pairs = (("stride", spec.stride), ("dilation", spec.dilation))
    words += [f"--{name} {_pair(pair)}" for name, pair in pairs if pair != (1, 1)]
    if spec.padding != spec.padding_end:
        words.append("--padding same")
    elif spec.padding != usual.padding:
        words.append(f"--padding {_pair(spec.padding)}")
    if spec.depth_multiplier != 1:
        words.append(f"--depth-multiplier {spec.depth_multiplier}")
    if all(spec.bias):
        words.append("--bias")
    else:
        words += [f"--{name}-bias" for name, on in spec.bias._asdict().items() if on]
    if spec.dtype != "float32":
        words.append(f"--dtype {spec.dtype}")
    return " ".join(words)


def _pair(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]},{pair[1]}"
