"""The section `baseline` of a document: what changed since an earlier result."""

from __future__ import annotations

from typing import Final

from dsconv_cli.baseline.beside import Beside
from dsconv_cli.baseline.change import Change
from dsconv_cli.baseline.layers import COUNTED, LayerChange
from dsconv_cli.keys import SIGNED, TEXT, TEXTS, TRUTH, WHOLE, Each, Key, Keys, one_of, optional

NAME: Final = "baseline"

_CHANGE: Final[Keys[Change]] = Keys(
    (
        Key("key", TEXT, "key"),
        Key("baseline", SIGNED, "was.value"),
        Key("now", SIGNED, "now.value"),
        Key(
            "growth",
            SIGNED,
            lambda one: None if one.growth is None else float(one.growth),
            says="now / baseline - 1; null where it was 0.",
            nullable=True,
        ),
        Key("certain", TRUTH, "certain", says="Whether they differ beyond the intervals of what is measured."),
    )
)


def _figure(metric: str, side: str) -> Key[LayerChange]:
    def get(one: LayerChange) -> int | None:
        figures = one.was if side == "baseline" else one.now
        return None if figures is None else figures[f"{metric}.before"]

    return Key(f"{metric}.{side}", WHOLE, get)


_LAYER: Final[Keys[LayerChange]] = Keys(
    (
        Key("name", TEXT, "name"),
        Key("change", one_of("added", "removed", "changed", "renamed"), "kind"),
        Key("former", TEXT, lambda one: one.former or None, says="What it was called.", nullable=True),
        *optional([_figure(metric, side) for metric in COUNTED for side in ("baseline", "now")]),
    )
)

KEYS: Final[Keys[Beside]] = Keys(
    (
        Key("file", TEXT, "file"),
        Key(
            "not_compared", TEXTS, "doubts", says="Why times were left out: they were measured elsewhere or otherwise."
        ),
        Each("changes", _CHANGE, lambda one: one.changes),
        Each("layers", _LAYER, lambda one: one.layers),
    ),
    says="What changed since the result in a file; only with --baseline.",
)
