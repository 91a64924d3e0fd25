"""What was meant by an option that is not there: one that is spelled nearly so, or what other programs call it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from dsconv_cli.errors import quoted
from dsconv_cli.text import listed

#: As this program says it, and what others call that, without dashes; of several options the first that a command has.
_SYNONYMS: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("--k",): ("filters", "outputchannels", "cout"),
    ("--c",): ("inputchannels", "channels", "cin"),
    ("--kernel",): ("kernelsize", "ksize", "filtersize"),
    ("--r",): ("kernelheight",),
    ("--s",): ("kernelwidth",),
    ("--h",): ("height",),
    ("--w",): ("width",),
    ("--size", "--input"): ("inputsize", "imagesize", "imgsize", "resolution"),
    ("--input", "--size"): ("inputshape", "shape"),
    ("--batch", "--top"): ("n",),
    ("--batch", "--input"): ("batchsize",),
    ("--stride",): ("strides",),
    ("--padding",): ("pad", "pads"),
    ("--dilation",): ("dilations", "dilationrate"),
    ("--depth-multiplier",): ("multiplier", "m"),
    ("--bias",): ("usebias",),
    ("--dtype float16",): ("fp16", "half"),
    ("--dtype bfloat16",): ("bf16",),
    ("--dtype int8",): ("int8", "quantize"),
    ("--dtype",): ("type",),
    ("--device cuda",): ("gpu", "cuda"),
    ("--device cpu",): ("cpu",),
    ("--device mps",): ("mps",),
    ("--channels-last",): ("nhwc",),
    ("--threads",): ("nthreads", "numthreads"),
    ("--time",): ("timing", "latency", "speed", "benchmark", "measure"),
    ("--budget",): ("timeout", "seconds"),
    ("--runtime", "--profiler"): ("backend",),
    ("--runtime",): ("engine",),
    ("--runtime onnxruntime",): ("onnxruntime", "ort"),
    ("--profiler",): ("counter",),
    ("--profiler none",): ("noprofile",),
    ("--format csv",): ("csv",),
    ("--format markdown",): ("markdown", "md"),
    ("--output",): ("out", "export", "write"),
    ("--output FILE.jsonl",): ("jsonl",),
    ("--save", "--output"): ("save",),
    ("--output", "--from"): ("file",),
    ("--quiet",): ("silent",),
    ("--verbose",): ("debug", "v"),
    ("--color",): ("colour",),
    ("--color never",): ("nocolor",),
    ("--get",): ("key", "value", "field"),
    ("--keys",): ("listkeys", "showkeys"),
    ("--explain",): ("why", "derive"),
    ("--fail-under",): ("failbelow", "min"),
    ("--fail-over",): ("failabove", "max"),
    ("--where",): ("filter", "query"),
    ("--sort",): ("orderby", "sortby"),
    ("--top",): ("limit", "head"),
    ("--columns",): ("select",),
    ("--jobs",): ("workers", "j"),
    ("--resume",): ("continue",),
    ("--from", "--size"): ("input",),
    ("--from",): ("layersfrom",),
    ("--keep",): ("exclude", "skip", "ignore"),
    ("--only",): ("include",),
    ("--arg",): ("args", "kwargs"),
    ("--target-macs",): ("maxmacs",),
    ("--target-params",): ("maxparams",),
    ("--depth",): ("level",),
}
_NEAR: Final = 0.75
_PROPOSED: Final = 3


def options_meant(name: str, known: Collection[str]) -> list[str]:
    """The options among `known` that `name`, such as `--kernel-size`, may mean; the likeliest first, none far away."""
    word = name.lstrip("-").replace("_", "-").lower()
    if f"--{word}" in known:
        return [f"--{word}"]
    joined = word.replace("-", "")
    synonyms = (option for options, words in _SYNONYMS.items() if joined in words for option in options)
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


def _options(command: Any) -> list[str]:
    options = (param for param in command.params if param.param_type_name == "option")
    return [name for one in options for name in (*one.opts, *one.secondary_opts)]
