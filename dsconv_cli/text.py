"""Text that others wrote: made harmless, and short enough for one line."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

#: A line up to here is left alone. Our own words alone may be longer: a list of all keys is.
_LINE: Final = 300
#: What a quoted or unbroken piece of a longer line is cut to.
_PIECE: Final = 80
#: The whole line, whatever is in it.
_MOST: Final = 4000
_FOREIGN: Final = re.compile(r"'[^']*'|\"[^\"]*\"|\S+")


def printable(text: str) -> str:
    r"""`text` with what would break the line or command a terminal written as an escape: `\n`, `\x1b`.

    The name of a file, a layer or an argument can hold anything; wherever one is shown to people it goes through here.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def listed(words: Sequence[str], last: str = " or ") -> str:
    """`a`, `a or b`, `a, b or c`."""
    return last.join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def some(words: Sequence[str], most: int) -> str:
    """The first `most` of them, and how many there are beside: `a, b and 3 more`."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def cut(text: str, length: int) -> str:
    """`text` without its middle if it is longer than `length`: both ends tell more than one."""
    if len(text) <= length:
        return text
    head = length // 2
    return f"{text[:head]}…{text[len(text) - (length - head - 1) :]}"


def one_line(text: str) -> str:
    """`text` as a line of bearable length: what it quotes is cut before our own words are."""
    text = printable(text)
    if len(text) > _LINE:
        text = _FOREIGN.sub(lambda piece: cut(piece[0], _PIECE), text)
    return cut(text, _MOST)


def split_format(text: str, known: Collection[str]) -> tuple[str, str]:
    """`[FORMAT:]PATH`: one of the `known` formats or a word in the place of one, or "", and the path."""
    prefix, colon, path = text.partition(":")
    # One letter before a colon is a drive on Windows.
    is_format = prefix in known or (prefix.isalpha() and len(prefix) > 1)
    return (prefix, path) if colon and is_format else ("", text)
