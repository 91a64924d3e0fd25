"""What was meant by an option that is not there: one that is spelled nearly so, or what other programs call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dsconv_cli.errors import quoted
from dsconv_cli.text import listed

#: As other programs say it, without dashes, and as this one does; of several, the first that a command has.
_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "filters": ("--k",),
    "outputchannels": ("--k",),
    "out": ("--output",),
    "inputchannels": ("--c",),
    "channels": ("--c",),
    "cin": ("--c",),
    "cout": ("--k",),
    "kernelsize": ("--kernel",),
    "ksize": ("--kernel",),
    "filtersize": ("--kernel",),
    "kernelheight": ("--r",),
    "kernelwidth": ("--s",),
    "height": ("--h",),
    "width": ("--w",),
    "inputsize": ("--size", "--input"),
    "imagesize": ("--size", "--input"),
    "imgsize": ("--size", "--input"),
    "resolution": ("--size", "--input"),
    "inputshape": ("--input", "--size"),
    "shape": ("--input", "--size"),
    "n": ("--batch", "--top"),
    "batchsize": ("--batch", "--input"),
    "strides": ("--stride",),
    "pad": ("--padding",),
    "pads": ("--padding",),
    "dilations": ("--dilation",),
    "dilationrate": ("--dilation",),
    "multiplier": ("--depth-multiplier",),
    "m": ("--depth-multiplier",),
    "usebias": ("--bias",),
    "fp16": ("--dtype float16",),
    "half": ("--dtype float16",),
    "bf16": ("--dtype bfloat16",),
    "int8": ("--dtype int8",),
    "quantize": ("--dtype int8",),
    "type": ("--dtype",),
    "gpu": ("--device cuda",),
    "cuda": ("--device cuda",),
    "cpu": ("--device cpu",),
    "mps": ("--device mps",),
    "nhwc": ("--channels-last",),
    "nthreads": ("--threads",),
    "numthreads": ("--threads",),
    "timing": ("--time",),
    "latency": ("--time",),
    "speed": ("--time",),
    "benchmark": ("--time",),
    "measure": ("--time",),
    "timeout": ("--budget",),
    "seconds": ("--budget",),
    "backend": ("--runtime", "--profiler"),
    "engine": ("--runtime",),
    "onnxruntime": ("--runtime onnxruntime",),
    "ort": ("--runtime onnxruntime",),
    "counter": ("--profiler",),
    "noprofile": ("--profiler none",),
    "csv": ("--format csv",),
    "markdown": ("--format markdown",),
    "md": ("--format markdown",),
    "jsonl": ("--output FILE.jsonl",),
    "save": ("--save", "--output"),
    "file": ("--output", "--from"),
    "export": ("--output",),
    "write": ("--output",),
    "silent": ("--quiet",),
    "debug": ("--verbose",),
    "v": ("--verbose",),
    "nocolor": ("--color never",),
    "colour": ("--color",),
    "key": ("--get",),
    "value": ("--get",),
    "field": ("--get",),
    "listkeys": ("--keys",),
    "why": ("--explain",),
    "derive": ("--explain",),
    "failbelow": ("--fail-under",),
    "failabove": ("--fail-over",),
    "min": ("--fail-under",),
    "max": ("--fail-over",),
    "filter": ("--where",),
    "query": ("--where",),
    "orderby": ("--sort",),
    "sortby": ("--sort",),
    "limit": ("--top",),
    "head": ("--top",),
    "select": ("--columns",),
    "workers": ("--jobs",),
    "j": ("--jobs",),
    "continue": ("--resume",),
    "input": ("--from", "--size"),
    "layersfrom": ("--from",),
    "exclude": ("--keep",),
    "skip": ("--keep",),
    "ignore": ("--keep",),
    "include": ("--only",),
    "args": ("--arg",),
    "kwargs": ("--arg",),
    "maxmacs": ("--target-macs",),
    "maxparams": ("--target-params",),
    "level": ("--depth",),
    "showkeys": ("--keys",),
}
_NEAR: Final = 0.75
_PROPOSED: Final = 3


def options_meant(name: str, known: Mapping[str, Any]) -> list[str]:
    """The options among `known` that `name`, such as `--kernel-size`, may mean; the likeliest first, none far away."""
    word = name.lstrip("-").replace("_", "-").lower()
    if f"--{word}" in known:
        return [f"--{word}"]
    synonyms = _SYNONYMS.get(word.replace("-", ""), ())
    found = [option for option in synonyms if option.partition(" ")[0] in known][:1]
    if found or len(word) < 2:
        return found
    from difflib import get_close_matches

    words = {option.lstrip("-"): option for option in known if option.startswith("--")}
    return [words[near] for near in get_close_matches(word, words, n=_PROPOSED, cutoff=_NEAR)]


def said_of_option(name: str, command: Any, others: Mapping[str, Any]) -> str:
    """What to say of an option that a command does not have; "" where nothing is near. `others` are all commands."""
    meant = options_meant(name, _options(command))
    if meant:
        return f"did you mean {listed(meant)}?"
    homes = [other for other, one in others.items() if one is not command and name in _options(one)]
    return f"it is an option of dsconv {' and dsconv '.join(homes)}" if homes else ""


def said_of_command(name: str) -> str:
    """What to say of a word that is no command: what it looks like."""
    if name.isdigit():
        return f"did you mean dsconv compare {name}?"
    if name.endswith((".py", ".pt2", ".onnx")) or ":" in name:
        return f"did you mean dsconv model {quoted(name).strip(chr(39))}?"
    return ""


def _options(command: Any) -> dict[str, Any]:
    return {name: param for param in command.params for name in _names(param)}


def _names(param: Any) -> Iterator[str]:
    if param.param_type_name == "option":
        yield from (*param.opts, *param.secondary_opts)
