"""Argument lists drawn at random, run in this process, and what must hold of every one of them."""

from __future__ import annotations

import io
import json
import random
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fakes import FakeLaboratory

from dsconv_cli.cli import main
from dsconv_cli.timing import timer, timers

NETWORK = "from torch import nn\n\ndef net(width=4):\n    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, 8, 3))\n"
FILES = {
    "network.py": NETWORK,
    "layers.csv": "name,k,c,h\na,8,4,7\n=b,16,8,7\n",
    "layers.jsonl": '{"k": 8, "c": 4}\n{"k": 16, "c": 8, "stride": [2, 1]}\n',
    "bad.csv": "k,c\n8,4\n8,x\n",
    "empty.csv": "",
    "binary.csv": "\x00\x01\x02",
}
_COMMANDS = {name: command.params for name, command in main.make_app(main.COMMANDS).commands.items()}
#: By what an option says it takes; each word is right somewhere.
_KEYS = ["macs.ratio", "params.separable", "k", "spec.k", "time.speedup", "measured.macs.ratio", "totals.macs.after"]
_WORDS = {
    "INT": ["1", "3", "8", "64", "007"],
    "INT|auto": ["1", "4", "auto"],
    "INT[,INT]": ["1", "2", "2,1"],
    "half|same|valid|P[,Q]": ["half", "same", "valid", "0", "1,2"],
    "LIST": ["8", "8,16", "1:9", "1:9:2", "1:64:*2", "float32", "half", "2x1", "float32,bfloat16"],
    "FILE|-": ["layers.csv", "layers.jsonl", "bad.csv", "empty.csv", "binary.csv", "-", "none.csv"],
    "TIE": ["c=k", "w=h", "c=k/2", "k,c", "k=c", "h=w*2"],
    "SECONDS": ["5", "0.5", "1e3"],
    "FRACTION": ["0.05", "0.5"],
    "[FORMAT:]PATH": [
        "a.json",
        "a.csv",
        "a.md",
        "a.txt",
        "a.svg",
        "a.jsonl",
        "csv:a",
        "svg:a.svg",
        "a.png",
        "github:a",
    ],
    "KEY": _KEYS,
    "KEY,...": ["k,c", "macs", "spec,macs.ratio", *_KEYS],
    "KEY[:asc|:desc]": ["macs.ratio:asc", *_KEYS],
    "KEY=NUMBER": [
        "macs.ratio=3",
        "params.separable=1e6",
        "time.speedup=1",
        "totals.macs.ratio=2",
        "macs.ordinary=20M",
    ],
    "KEY[=1%]": ["macs.separable", "macs.separable=1%", "totals.macs.before=0.5%", "time.separable.median_s", *_KEYS],
    "FILE.json": ["layer.json", "none.json", "layers.jsonl", "a.json", "a.jsonl"],
    "CONDITION": ["macs.ratio > 3", "k >= 8 and c < 9", "not (k == 8)", "time.speedup > 1", "spec.dtype == 'float32'"],
    "PATH|-": ["a.svg", "-", "a.txt"],
    "PATH": ["a.svg", "layers-out.csv", "a.jsonl"],
    "NAME": ["k", "c", "h"],
    "N": ["1", "2", "5"],
    "I/N": ["1/2", "2/2"],
    "GLOB": ["0", "*", "1*"],
    "NAME=VALUE": ["width=8", "width=0", "depth=2"],
    "[NAME=]INT,...": ["1,3,16,16", "1,3,5,5", "x=1,3,16,16"],
    "MODULE:FUNCTION": ["network.py:net", "inputs:none"],
    "COUNT[k|M|G|T]": ["1k", "2.5M", "10"],
    "NUMBER": ["2", "0.5"],
    "K C [R S]": ["8", "3", "64"],
    "TARGET": ["network.py", "network.py:net", "network:net", "none.py:x", "network.py:nothing"],
}
#: What people type by mistake, and what others send on purpose.
_NASTY = [
    "", " ", "0", "-1", "+3", "1.0", "1e400", "nan", "-inf", "0x10", "1_000", "٣", "²", "9" * 40, "9" * 5000,
    "9223372036854775807", "9223372036854775808", "1,", ",", "1,2,3", "1:", ":", "1:2:0", "9:1", "1:1000000000", "8,8",
    "true", "None", "null", "é", "💥", "\x1b[31m", "a\nb", "\u202e", "\udc80", "--", "-", "=", "a=b=c", "k=", "=3",
    "x" * 60_000, "../a.csv", "/no/such/a.json", "a/", ".", ".json", "json:", "nope:a", "c:a.json", "%s", "{}", "[bold]",
    "k > ", "((((", "k == 'a", "macs.ratio=inf", "macs.ratio=nan", "k*10^22", "__import__('os')", "all", "*",
]  # fmt: skip
_OURS = ("error: ", "warning: ", "note: ")
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
#: How each begins, in some of the ways there are.
_START = {
    "compare": [
        [*layer, "--profiler", "none"] for layer in (["--k", "8", "--c", "4"], ["8", "4"], ["8", "4", "3", "1"])
    ],
    "sweep": [["--k", "8,16", "--c", "4", "--profiler", "none"]],
    "model": [["network.py:net", "--input", "1,3,16,16"], ["network.py", "--input", "1,3,16,16"]],
    "doctor": [[]],
}


def draw(dice):
    """A command and its arguments: right ones, most of the time, of which a few are not."""
    command = dice.choices(list(_START), weights=[20, 20, 1, 3])[0]
    words = [command, *dice.choice(_START[command])]
    for _ in range(dice.randrange(5)):
        option = dice.choice(_COMMANDS[command])
        if option.param_type_name == "argument":
            place = 1 if option.name == "target" else dice.randrange(1, len(words))
            words[place : place + (option.name == "target")] = [_value(dice, option.metavar)]
            continue
        words.append(dice.choice([*option.opts, *option.secondary_opts]))
        if not getattr(option, "is_flag", False):
            words.append(_value(dice, option.metavar))
    if dice.random() < 0.15:
        place = dice.randrange(len(words))
        words[place:place] = dice.choice([[], [dice.choice(_NASTY)], ["--help"], ["-h"], ["--nope"]])
    if dice.random() < 0.1:
        del words[dice.randrange(len(words))]
    return words


def _value(dice, metavar):
    if dice.random() < 0.3:
        return dice.choice(_NASTY)
    return dice.choice(_WORDS.get(metavar) or metavar.replace("[:I]", "").split("|"))


@dataclass
class Outcome:
    words: list[str]
    code: object
    out: str
    err: str

    def faults(self):
        """What must never be."""
        err, out = (_COLORS.sub("", text) for text in (self.err, self.out))
        lines = err.splitlines()
        if self.code == 3 and "--verbose" in self.words:
            lines = lines[-1:]  # which follows a traceback
        errors = [line for line in lines if line.startswith("error: ")]
        shown = [*lines, *out.splitlines()]
        held = {
            f"exit code {self.code}": self.code in {0, 1, 2, 3},
            "a line on stderr that is none of ours": all(line.startswith(_OURS) for line in lines),
            "not one line of error, in the end": self.code not in {2, 3} or (len(errors) == 1 and lines[-1:] == errors),
            "an error, and exit code 0": self.code != 0 or not errors,
            "output on stdout before exit code 2": self.code != 2 or not self.out,
            "what nobody foresaw": not any(line.startswith("error: unexpected") for line in errors),
            "a line that is too long": all(len(line) < 4100 for line in lines),
            "what commands a terminal": all(line.isprintable() for line in shown),
            "a temporary file is left": not list(Path().glob(".dsconv-*")),
            "no JSON": self.code not in {0, 1} or self._is_json(),
        }
        return [fault for fault, holds in held.items() if not holds]

    def _is_json(self):
        formats = [value for option, value in pairwise(self.words) if option in {"--format", "-f"}]
        formats += ["json"] if "--json" in self.words else []
        if {"--get", "--help", "-h", "--keys"} & {*self.words} or formats[-1:] != ["json"]:
            return True
        try:
            for line in self.out.splitlines() if self.words[0] == "sweep" else [self.out]:
                json.loads(line)
        except ValueError:
            return False
        return True


def attempt(words, stdin=""):
    """Run the list in this process; the clocks and the processes that measure are not real ones."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main.run(list(words))
    except BaseException as error:  # noqa: BLE001
        code = repr(error)
    finally:
        sys.stdin = before
    return Outcome(words, code, out.getvalue(), err.getvalue())


def prepare(folder, monkeypatch):
    """Go to `folder`, with files to read, and let nothing measure."""
    monkeypatch.chdir(folder)
    for module in (timer, timers):
        # So steady that no budget of real seconds is used up.
        monkeypatch.setattr(module, "ProcessLaboratory", lambda: FakeLaboratory(spread=0.001))
    # It would be made anew each time.
    whole = main.make_app(main.COMMANDS)
    monkeypatch.setattr(main, "make_app", lambda _: whole)
    for name, text in FILES.items():
        (folder / name).write_text(text)


def lists(seed, count):
    """`count` of them, the same for the same seed."""
    dice = random.Random(seed)
    return (draw(dice) for _ in range(count))
