"""The options that commands share, declared once. The texts are parsed in `dsconv_cli.layer.reading`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

LAYER = "The layer"
MEASUREMENT = "The measurement"
OUTPUT = "The output"


def _option(*names: str, text: str, panel: str, metavar: str | None = None, envvar: str | None = None) -> Any:
    return typer.Option(
        *names,
        help=text,
        rich_help_panel=panel,
        metavar=metavar,
        envvar=envvar,
        autocompletion=_completion(metavar),
    )


def _completion(metavar: str | None) -> Callable[[str], list[str]] | None:
    """What a shell offers: the words that the metavar lists, or the keys."""
    if metavar is None:
        return None
    if metavar.startswith("KEY"):
        return _keys
    words = [word for word in metavar.split("|") if word.isalnum() and word.islower()]
    return (lambda incomplete: [word for word in words if word.startswith(incomplete)]) if words else None


def _keys(incomplete: str) -> list[str]:
    from dsconv_cli.comparison.keys import KEYS

    return [key for key in KEYS if key.startswith(incomplete)]


K = Annotated[str, _option("--k", text="Output channels K.", panel=LAYER, metavar="INT")]
C = Annotated[str, _option("--c", text="Input channels C.", panel=LAYER, metavar="INT")]
R = Annotated[str, _option("--r", text="Kernel height R.", panel=LAYER, metavar="INT")]
S = Annotated[str, _option("--s", text="Kernel width S.", panel=LAYER, metavar="INT")]
H = Annotated[str, _option("--h", text="Input height.", panel=LAYER, metavar="INT")]
W = Annotated[str, _option("--w", text="Input width.", panel=LAYER, metavar="INT")]
Batch = Annotated[str, _option("--batch", text="Images in a batch N.", panel=LAYER, metavar="INT")]
Stride = Annotated[str, _option("--stride", text="One number, or height,width.", panel=LAYER, metavar="INT[,INT]")]
Dilation = Annotated[str, _option("--dilation", text="One number, or height,width.", panel=LAYER, metavar="INT[,INT]")]
Padding = Annotated[
    str,
    _option(
        "--padding",
        text="half: d(R-1)/2 rounded down on each side, what most networks use; same: the output as large as the "
        "input (stride 1); valid: none; or numbers.",
        panel=LAYER,
        metavar="half|same|valid|P[,Q]",
    ),
]
DepthMultiplier = Annotated[
    str, _option("--depth-multiplier", text="Depthwise filters an input channel M.", panel=LAYER, metavar="INT")
]
BiasAll = Annotated[bool, _option("--bias/--no-bias", text="Biases on all three convolutions.", panel=LAYER)]
OrdinaryBias = Annotated[
    bool | None,
    _option("--ordinary-bias/--no-ordinary-bias", text="Overrides --bias for the ordinary convolution.", panel=LAYER),
]
DepthwiseBias = Annotated[
    bool | None,
    _option(
        "--depthwise-bias/--no-depthwise-bias",
        text="Overrides --bias for the depthwise half. (Keras' use_bias is --bias --no-depthwise-bias.)",
        panel=LAYER,
    ),
]
PointwiseBias = Annotated[
    bool | None,
    _option("--pointwise-bias/--no-pointwise-bias", text="Overrides --bias for the pointwise half.", panel=LAYER),
]

Profiler = Annotated[
    str,
    _option(
        "--profiler",
        text="Who counts on the modules that are built: thop, torch (its flop counter), both, or none "
        "(closed forms alone, without loading torch).",
        panel=MEASUREMENT,
        metavar="thop|torch|both|none",
    ),
]
Time = Annotated[bool, _option("--time", text="Also measure time, with an honest interval.", panel=MEASUREMENT)]
Threads = Annotated[
    str | None,
    _option(
        "--threads",
        text="Threads that are timed (1, which is disturbed the least; torch's own default is all cores).",
        panel=MEASUREMENT,
        metavar="INT",
    ),
]
ChannelsLast = Annotated[
    bool, _option("--channels-last", text="Time with the N,H,W,C memory layout.", panel=MEASUREMENT)
]
Budget = Annotated[
    str,
    _option("--budget", text="Seconds that timing a layer may take, at most.", panel=MEASUREMENT, metavar="SECONDS"),
]
Device = Annotated[
    str, _option("--device", text="Where it is measured.", panel=MEASUREMENT, metavar="cpu|cuda[:I]|mps")
]
Dtype = Annotated[
    str,
    _option(
        "--dtype",
        text="Type of the elements; sets the bytes of the traffic.",
        panel=MEASUREMENT,
        metavar="float32|float64|bfloat16|float16",
    ),
]

FormatName = Annotated[
    str,
    _option(
        "--format",
        text="What stdout gets. github writes workflow annotations for gates that fail.",
        panel=OUTPUT,
        metavar="table|json|csv|markdown|github",
        envvar="DSCONV_FORMAT",
    ),
]
OutputPath = Annotated[
    list[str] | None,
    _option(
        "--output",
        text="Also write a file; the format comes from its ending (.json .jsonl .csv .md .svg .txt) or the prefix. "
        "With --time, roofline:PATH or a file called roofline.svg or .png is a roofline picture. Repeatable.",
        panel=OUTPUT,
        metavar="[FORMAT:]PATH",
    ),
]
PlainFormatName = Annotated[
    str,
    _option(
        "--format",
        text="What stdout gets.",
        panel=OUTPUT,
        metavar="table|json|csv|markdown",
        envvar="DSCONV_FORMAT",
    ),
]
PlainOutputPath = Annotated[
    list[str] | None,
    _option(
        "--output",
        text="Also write a file; the format comes from its ending (.json .jsonl .csv .md .txt) or the prefix. "
        "Repeatable.",
        panel=OUTPUT,
        metavar="[FORMAT:]PATH",
    ),
]
DoctorKey = Annotated[
    str | None,
    _option("--get", text="Print one bare value, such as noise.ratio, and nothing else.", panel=OUTPUT, metavar="KEY"),
]
GetKey = Annotated[
    str | None,
    _option("--get", text="Print one bare value, such as macs.ratio, and nothing else.", panel=OUTPUT, metavar="KEY"),
]
Explain = Annotated[bool, _option("--explain", text="Derive R×S step by step with this layer's numbers.", panel=OUTPUT)]
FailUnder = Annotated[
    list[str] | None,
    _option("--fail-under", text="Exit with 1 if the value is lower. Repeatable.", panel=OUTPUT, metavar="KEY=NUMBER"),
]
FailOver = Annotated[
    list[str] | None,
    _option("--fail-over", text="Exit with 1 if the value is higher. Repeatable.", panel=OUTPUT, metavar="KEY=NUMBER"),
]
Quiet = Annotated[bool, _option("--quiet", text="Nothing on stderr but errors and failed gates.", panel=OUTPUT)]
Verbose = Annotated[bool, _option("--verbose", text="Also a traceback where the work could not be done.", panel=OUTPUT)]
Color = Annotated[str, _option("--color", text="Colours, on both streams.", panel=OUTPUT, metavar="auto|always|never")]
