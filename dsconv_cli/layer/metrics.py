"""What is counted of a layer, each metric in one entry: its closed form, its unit, and how parts combine.

A metric's section of the JSON document, its columns, its row of the table and its help are derived from its entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dsconv_cli.layer.fields import BIAS_BYTES, DTYPE_BYTES
from dsconv_cli.layer.forms import ConvLayer


def params(layer: ConvLayer, _: str = "") -> int:
    """Weights and biases: K·(C/groups)·R·S, and K with a bias."""
    return weights(layer) + _biases(layer)


def macs(layer: ConvLayer, _: str = "") -> int:
    """Multiply-accumulates: each weight once for every output position and image. Padding counts as input."""
    out_h, out_w = layer.output_size
    return layer.batch * out_h * out_w * weights(layer)


def bytes_moved(layer: ConvLayer, dtype: str) -> int:
    """Input, weights and biases read once, output written once."""
    return bytes_alive(layer, dtype) + bytes_stored(layer, dtype)


def bytes_stored(layer: ConvLayer, dtype: str) -> int:
    """Weights and biases as they are stored; a quantised convolution has its biases in 32 bits."""
    return DTYPE_BYTES[dtype] * weights(layer) + BIAS_BYTES[dtype] * _biases(layer)


def bytes_alive(layer: ConvLayer, dtype: str) -> int:
    """Input and output, N·(C·H·W + K·H'·W') elements: in memory at the same time while the operator runs."""
    in_h, in_w = layer.input_size
    out_h, out_w = layer.output_size
    return DTYPE_BYTES[dtype] * layer.batch * (layer.in_channels * in_h * in_w + layer.out_channels * out_h * out_w)


def weights(layer: ConvLayer) -> int:
    """K·(C/groups)·R·S, without biases."""
    kernel_h, kernel_w = layer.kernel_size
    return layer.out_channels * (layer.in_channels // layer.groups) * kernel_h * kernel_w


def _biases(layer: ConvLayer) -> int:
    return layer.out_channels if layer.bias else 0


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Its labels are for a line of its own, for a column, and for one column of many. `of` is the closed form of one
    operator at a dtype. `combine` makes a form's figure of its operators': their sum, or the largest; `over_calls` one
    figure of those of several calls of the same layer. `approximated` where R×S is about its ratio.

    `fewer` is the word for having less of it, where an answer in a sentence tells of it. `repeats` names the metric
    whose ratio it has too (but for quantised biases), where one column of ratios is enough for both.
    """

    name: str
    label: str
    short_label: str
    narrow_label: str
    unit: str
    says: str
    of: Callable[[ConvLayer, str], int]
    combine: Callable[[Iterable[int]], int] = sum
    over_calls: Callable[[Iterable[int]], int] = sum
    approximated: bool = False
    fewer: str = ""
    repeats: str = ""


#: Every metric, in the order of the document. A new one is one more entry.
METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        one.name: one
        for one in (
            Metric(
                "params",
                "parameters",
                "parameters",
                "params",
                "parameters",
                "Weights and biases, by formulas.",
                params,
                over_calls=max,
                approximated=True,
                fewer="fewer",
            ),
            Metric(
                "macs",
                "MACs",
                "MACs",
                "MACs",
                "MACs",
                "Multiply-accumulates of the convolutions, by formulas. Bias additions are not counted; "
                "FLOPs = 2 x MACs.",
                macs,
                approximated=True,
                fewer="fewer",
            ),
            Metric(
                "traffic",
                "memory traffic",
                "traffic",
                "traffic",
                "bytes",
                "Bytes that move if every operator reads its input and weights once and writes its output once, "
                "at the dtype.",
                bytes_moved,
                fewer="less",
            ),
            Metric(
                "weight_bytes",
                "weight size",
                "weights",
                "weights",
                "bytes",
                "Bytes of the weights and biases, at the dtype.",
                bytes_stored,
                over_calls=max,
                repeats="params",
            ),
            Metric(
                "activation_bytes",
                "peak activations",
                "activations",
                "activ.",
                "bytes",
                "Bytes of the activations that are in memory at once: the input and the output of an operator. The "
                "separable form needs the larger of its two steps, if its input is freed after the first.",
                bytes_alive,
                combine=max,
                over_calls=max,
            ),
        )
    }
)
