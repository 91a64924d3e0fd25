"""Figures of matplotlib as files. It is imported in this folder and nowhere else, and only where one is drawn."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI: Final = 150
#: The date, by the name that each kind has for it, would make another file of the same figures.
_UNDATED: Final = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def image(figure: Figure, kind: str, **options: Any) -> bytes:
    """`figure` as the bytes of a file: "svg", "png" or "pdf". The same figure gives the same file."""
    import matplotlib as mpl

    out = io.BytesIO()
    # Text stays text in an SVG.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dsconv"}), warnings.catch_warnings():
        # A name in signs that the font lacks is drawn with boxes, which is seen.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(out, format=kind, dpi=_DPI, metadata=_UNDATED.get(kind, {}), **options)
    return out.getvalue()
