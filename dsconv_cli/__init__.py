"""What a depthwise separable convolution buys: parameters, MACs, memory traffic and time.

    from dsconv_cli import ConvSpec, compare

    result = compare(ConvSpec(k=64, c=32, r=3, s=3))
    result.cost.macs.ratio      # Fraction(576, 73)

Names are imported when they are first used, so that `import dsconv_cli` is free and nothing imports torch
until a module is built or profiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsconv_cli._version import __version__

if TYPE_CHECKING:
    from dsconv_cli.build import ordinary_conv2d, separable_conv2d
    from dsconv_cli.comparison import Comparison, compare
    from dsconv_cli.model.analysis import analyse, separate
    from dsconv_cli.model.result import ModelResult
    from dsconv_cli.spec import Bias, CannotMeasureError, ConvSpec, DsconvError, SpecError

_HOME = {
    "Bias": "spec",
    "CannotMeasureError": "spec",
    "Comparison": "comparison",
    "ConvSpec": "spec",
    "DsconvError": "spec",
    "ModelResult": "model.result",
    "SpecError": "spec",
    "analyse": "model.analysis",
    "compare": "comparison",
    "ordinary_conv2d": "build",
    "separable_conv2d": "build",
    "separate": "model.analysis",
}

__all__ = [
    "Bias",
    "CannotMeasureError",
    "Comparison",
    "ConvSpec",
    "DsconvError",
    "ModelResult",
    "SpecError",
    "__version__",
    "analyse",
    "compare",
    "ordinary_conv2d",
    "separable_conv2d",
    "separate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
