"""OpenVINO: a graph of its own operators, compiled for the CPU."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.timing.runtimes.protocol import Built, Ran, Runtime

if TYPE_CHECKING:
    from dsconv_cli.timing.runtimes.chain import Array, Chain, Step
    from dsconv_cli.timing.worker.answers import Conditions, Graph

#: What runs beside kernels and is no work.
_NO_WORK: Final = ("Input", "Output", "Const")
_LEVELS: Final = 256


def without_telemetry() -> Any:
    """The package `openvino`, which sends an event when it is imported unless the package that sends is missing.

    So it is made to look missing, in this process alone.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _model(chain: Chain) -> Any:
    openvino = without_telemetry()
    opset = openvino.opset13
    image = opset.parameter(chain.image.shape, openvino.Type.u8 if chain.quantised else openvino.Type.f32)
    value = image
    for index, one in enumerate(chain.operators):
        if chain.quantised:
            value = _dequantised(opset, value, chain.steps[index])
        layer = one.layer
        convolution = opset.group_convolution if layer.groups > 1 else opset.convolution
        value = convolution(
            value, _weight(opset, chain, index), layer.stride, layer.padding, layer.padding_end, layer.dilation
        )
        if (bias := chain.bias(index)) is not None:
            value = opset.add(value, opset.constant(bias.astype("float32").reshape(1, -1, 1, 1)))
        if chain.quantised:
            value = _quantised(opset, value, chain.steps[index + 1])
    return openvino.Model([opset.result(value)], [image], "layer")


def _weight(opset: Any, chain: Chain, index: int) -> Any:
    """Grouped ones are (groups, K ÷ groups, C ÷ groups, R, S). Quantised they are int8, and a scale a channel."""
    one = chain.operators[index]
    groups = one.layer.groups
    split = (groups, one.layer.out_channels // groups) if groups > 1 else (one.layer.out_channels,)
    weight = opset.constant(one.weight.reshape(*split, *one.weight.shape[1:]))
    if one.scales is None:
        return weight
    return opset.multiply(opset.convert(weight, "f32"), opset.constant(one.scales.reshape(*split, 1, 1, 1)))


def _dequantised(opset: Any, value: Any, step: Step) -> Any:
    shifted = opset.subtract(opset.convert(value, "f32"), _number(opset, step.zero))
    return opset.multiply(shifted, _number(opset, step.scale))


def _quantised(opset: Any, value: Any, step: Step) -> Any:
    """To uint8, in the words that its own reader of ONNX has for it."""
    low, high = (_number(opset, (edge - step.zero) * step.scale) for edge in (0, 255))
    whole = opset.fake_quantize(value, low, high, _number(opset, 0), _number(opset, 255), _LEVELS)
    return opset.convert(whole, "u8")


def _number(opset: Any, value: float) -> Any:
    import numpy as np

    return opset.constant(np.float32(value))


def _compiled(model: Any, conditions: Conditions) -> Any:
    how = {
        "INFERENCE_NUM_THREADS": conditions.threads,
        "NUM_STREAMS": 1,
        # Without it float32 is computed in bfloat16 where the processor has it: another ratio, and 2 % off.
        "INFERENCE_PRECISION_HINT": "bf16" if conditions.dtype == "bfloat16" else "f32",
    }
    return without_telemetry().Core().compile_model(model, "CPU", how)


def _graph(graph: Graph, conditions: Conditions) -> Built[tuple[Array, ...]]:
    import numpy as np

    openvino = without_telemetry()
    compiled = _compiled(openvino.Core().read_model(graph.model), conditions)
    request = compiled.create_infer_request()
    for name, value in graph.inputs.items():
        request.set_tensor(name, openvino.Tensor(value))
    return Built(
        lambda: request.infer(share_outputs=True),
        lambda: tuple(np.array(request.get_output_tensor(place).data) for place in range(len(compiled.outputs))),
    )


def _build(chain: Chain, conditions: Conditions) -> Built[Array]:
    import numpy as np

    openvino = without_telemetry()
    compiled = _compiled(_model(chain), conditions)
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(chain.image))
    # `infer` runs in this thread; `start_async` and `wait` would hide the work from its clock. Without `share_outputs`
    # each call ends with a copy of the output.
    return Built(
        lambda: request.infer(share_outputs=True),
        lambda: chain.numbers(np.array(request.get_output_tensor().data)),
        lambda: _ran(compiled),
    )


def _ran(compiled: Any) -> Ran:
    """Its kernels, in their order, and the precision in which convolutions computed."""
    nodes = [one.get_rt_info() for one in compiled.get_runtime_model().get_ordered_ops()]
    kinds = [
        (*(node[key].astype(str) for key in ("layerType", "primitiveType", "runtimePrecision")),) for node in nodes
    ]
    return Ran(
        tuple(f"{kind} {kernel}" for kind, kernel, _ in kinds if kind not in _NO_WORK),
        " ".join(dict.fromkeys(precision for kind, _, precision in kinds if kind == "Convolution")),
    )


OPENVINO: Final = Runtime(
    name="openvino",
    title="OpenVINO",
    packages=("openvino",),
    distribution="openvino",
    dtypes=("float32", "bfloat16", "int8"),
    build=_build,
    extra="openvino",
    graph=_graph,
)
