"""What the help of each command has beside its options: how it is called, examples, and which options matter first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class HelpPage(NamedTuple):
    """`usage` follows the command's name; `examples` tells of commands what they do; `common` is what `-h` shows."""

    usage: str
    examples: Mapping[str, str]
    common: tuple[str, ...] = ()


#: By the name of the command; the program itself is "dsconv".
PAGES: Final[Mapping[str, HelpPage]] = {
    "dsconv": HelpPage(
        "COMMAND [OPTIONS]",
        {
            "dsconv compare 64 32": "One layer: K=64, C=32, 3×3 on 56×56.",
            "dsconv model net.py --input 1,3,224,224": "The network in net.py, layer by layer.",
            "dsconv compare --help": "Every option of a command; -h shows the most used.",
        },
    ),
    "compare": HelpPage(
        "[OPTIONS] K C [R S]",
        {
            "dsconv compare 64 32 5 5 --size 28": "64 output and 32 input channels, 5×5, on 28×28.",
            "dsconv compare 64 32 --time": "Also how much faster it is on this machine.",
            "dsconv compare 64 32 --fail-under macs=7.5": "Exit with 1 if it saves less than that in MACs.",
        },
        ("--size", "--stride", "--padding", "--time", "--runtime", "--explain", "--json", "--output", "--get"),
    ),
    "sweep": HelpPage(
        "[OPTIONS] (--k LIST --c LIST | --from FILE)",
        {
            "dsconv sweep -k 16:512:*2 --zip c=k --size 7,14,56": "As many input as output channels.",
            "dsconv sweep --from layers.csv --sort traffic --top 5": "The five that gain most in memory traffic.",
            "dsconv sweep -k 64 -c 32 --size 7:112:7 --time -o times.jsonl --resume": (
                "Times of many layers, to be continued if it is interrupted."
            ),
        },
        ("--k", "--c", "--kernel", "--size", "--from", "--zip", "--time", "--where", "--sort", "--top", "--summary"),
    ),
    "model": HelpPage(
        "[OPTIONS] TARGET",
        {
            "dsconv model net.py --input 1,3,224,224": "The only network in net.py.",
            "dsconv model torchvision.models:resnet18 --input 1,3,224,224 --target-macs 1G": (
                "The fewest layers to replace for at most 1 G MACs."
            ),
            "dsconv model net.py --input 1,3,224,224 --baseline cost.json --fail-if-grows macs=1%": (
                "Exit with 1 if the network has grown since --output cost.json."
            ),
        },
        (
            *("--input", "--keep", "--only", "--target-macs", "--fidelity", "--save", "--time", "--depth", "--top"),
            *("--baseline", "--json", "--output", "--get"),
        ),
    ),
    "doctor": HelpPage(
        "[OPTIONS]",
        {
            "dsconv doctor": "The CPU, one thread.",
            "dsconv doctor --device cuda": "The first GPU.",
            "dsconv doctor --get noise.ratio.high": "How different two equal layers may seem.",
        },
        ("--device", "--threads", "--budget", "--json", "--output"),
    ),
}
