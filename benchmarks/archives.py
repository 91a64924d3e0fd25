"""Random changes to a .pt2 archive. Each ends in one line, and nothing in it runs.

    python benchmarks/archives.py [N] [SEED]

Each of N archives is a good one with one to three changes: to its bytes, its entries, or anywhere in its documents,
where a value becomes another one, or code that would create a file. Whether it is read or refused, `dsconv model` must
end with 0, 2 or 3 and say at most one line of error, and the file must not be there. Prints how they ended, and the
seed of each that did not; exits 1 if there is one.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import pt2

from dsconv_cli.cli import run

SLOW_S = 20.0


def values(where: str) -> list[object]:
    """What a value may become."""
    code = pt2.touch(where)
    return [
        *(code, f"x={code}", f"x):\n {code}\n#", f'x") or {code} or ("', f"({code} and None) or Symbol('s0')"),
        *("", "x", "../../x", "torch.os.system", "torch.ops.aten.from_file.default", "_operator.call", "s0**s0"),
        *(0, 1, -1, 7, True, False, None, 2**31, 2**62, -(2**63), 2**64, 1.5, float("nan"), float("inf")),
        *([], {}, [[]], [{}], {"as_int": 1}, {"as_string": code}, {"as_operator": "torch.os.system"}, {"name": code}),
        *({"as_expr": {"expr_str": code, "hint": None}}, {"as_custom_obj": {"name": "x", "class_fqn": "x"}}),
    ]


def places(value: object) -> list[tuple[object, object]]:
    """Every (container, key) of a document."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return []
    return [(value, key) for key, _ in items] + [place for _, one in items for place in places(one)]


def change_document(document: object, dice: random.Random, where: str) -> None:
    container, key = dice.choice(places(document))
    kind = dice.randrange(6)
    if kind == 0 and isinstance(container, dict):
        container[str(dice.choice(values(where)))] = container.pop(key)
    elif kind == 1:
        container[key] = dice.choice([container[place] for container, place in places(document)])
    elif kind == 2:
        del container[key]
    elif kind == 3 and isinstance(container, list):
        container.insert(key, dice.choice(values(where)))
    elif kind == 4 and isinstance(container[key], str) and container[key]:
        text = container[key]
        at = dice.randrange(len(text))
        container[key] = text[:at] + dice.choice([*'()[]{}"\\;,.=*@#\n\0é', pt2.touch(where)]) + text[at + 1 :]
    else:
        container[key] = dice.choice(values(where))


def change_entries(parts: pt2.Parts, dice: random.Random, where: str) -> None:
    name = dice.choice(list(parts.entries))
    kind = dice.randrange(7)
    content = parts.entries[name]
    if kind == 0:
        del parts.entries[name]
    elif kind == 1:
        parts.entries[name] = dice.choice([pt2.bomb(where), pt2.saved_bomb(where), b"", content[:-1], content * 2])
    elif kind == 2:
        parts.entries[name.swapcase()] = pt2.bomb(where)
    elif kind == 3:
        parts.entries[dice.choice(["data/constants/opaque_obj_0", "data/weights/model.pt", "x", "../x", "a\\b"])] = (
            pt2.saved_bomb(where)
        )
    elif kind == 4 and content:
        at = dice.randrange(len(content))
        parts.entries[name] = content[:at] + bytes([dice.randrange(256)]) + content[at + 1 :]
    else:
        other = dice.choice(list(parts.entries))
        parts.entries[name] = parts.entries[other]


def change(good: Path, path: Path, dice: random.Random, where: str) -> None:
    parts = pt2.Parts(good)
    for _ in range(dice.randint(1, 3)):
        documents = [name for name in (parts.PROGRAM, parts.WEIGHTS, parts.CONSTANTS) if name in parts.entries]
        if documents and dice.random() < 0.8:
            name = dice.choices(documents, [8, 2, 1][: len(documents)])[0]
            with contextlib.suppress(ValueError, IndexError):
                document = json.loads(parts.entries[name])
                change_document(document, dice, where)
                parts.put(document, name)
        else:
            change_entries(parts, dice, where)
    parts.write(path)
    if dice.random() < 0.1:
        data = bytearray(path.read_bytes())
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(data)


def verdict(path: Path) -> tuple[str, str]:
    """How `dsconv model` ended: a word, and what it said if that is wrong."""
    out, err = io.StringIO(), io.StringIO()
    begin = time.process_time()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["model", str(path), "--get", "totals.macs.before", "--quiet"])
    except BaseException:  # noqa: BLE001
        return "raised", traceback.format_exc()
    said = err.getvalue()
    errors = said.count("error: ")
    if code not in {0, 2, 3} or errors != (code != 0) or said.count("\n") != errors or "unexpected" in said:
        return "wrong", f"exit {code}: {said[:2000]}"
    if time.process_time() - begin > SLOW_S:
        return "slow", f"{time.process_time() - begin:.0f} s"
    return f"exit {code}", ""


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    warnings.simplefilter("ignore")
    ended: Counter[str] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as where:
        os.chdir(where)
        good, path = Path(where) / "good.pt2", Path(where) / "net.pt2"
        pt2.export_network(good)
        for number in range(seed, seed + count):
            with warnings.catch_warnings():
                change(good, path, random.Random(number), where)
            word, said = verdict(path)
            if list(Path(where).rglob(pt2.SENTINEL)):
                word, said = "RAN CODE", str(path)
                (Path(where) / pt2.SENTINEL).unlink()
            ended[word] += 1
            if said:
                wrong += 1
                print(f"seed {number}: {word}: {said}", flush=True)
    print(", ".join(f"{word}: {many}" for word, many in sorted(ended.items())))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
