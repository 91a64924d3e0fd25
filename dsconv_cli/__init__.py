"""What a depthwise separable convolution buys: parameters, MACs, memory traffic and time.

    from dsconv_cli import ConvSpec, compare

    result = compare(ConvSpec(k=64, c=32, r=3, s=3))
    result.cost.macs.ratio      # Fraction(576, 73)

Names are imported when they are first used, so that `import dsconv_cli` is free and nothing imports torch
until a module is built or profiled.
"""

from dsconv_cli._version import __version__

#: Not from `typing`: under `python -m dsconv_cli` that would come from the current directory (see `__main__`).
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dsconv_cli.counting.modules import ordinary_conv2d, separable_conv2d
    from dsconv_cli.errors import CannotMeasureError, DsconvError, SpecError
    from dsconv_cli.layer.spec import Bias, ConvSpec
    from dsconv_cli.library import Comparison, ModelResult, analyse, compare
    from dsconv_cli.model.analysis import separate
    from dsconv_cli.model.result import Selection
    from dsconv_cli.timing.result import Timing
    from dsconv_cli.timing.settings import TimingSettings
    from dsconv_cli.timing.timer import time_layer

_HOME = {
    "Bias": "layer.spec",
    "CannotMeasureError": "errors",
    "Comparison": "library",
    "ConvSpec": "layer.spec",
    "DsconvError": "errors",
    "ModelResult": "library",
    "Selection": "model.result",
    "SpecError": "errors",
    "Timing": "timing.result",
    "TimingSettings": "timing.settings",
    "analyse": "library",
    "compare": "library",
    "ordinary_conv2d": "counting.modules",
    "separable_conv2d": "counting.modules",
    "separate": "model.analysis",
    "time_layer": "timing.timer",
}

__all__ = [
    "Bias",
    "CannotMeasureError",
    "Comparison",
    "ConvSpec",
    "DsconvError",
    "ModelResult",
    "Selection",
    "SpecError",
    "Timing",
    "TimingSettings",
    "__version__",
    "analyse",
    "compare",
    "ordinary_conv2d",
    "separable_conv2d",
    "separate",
    "time_layer",
]


def __getattr__(name: str) -> "Any":
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
