"""ONNX Runtime: an ONNX graph written from numbers, run on bound memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.timing.runtimes.protocol import Built, Ran, Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsconv_cli.timing.runtimes.chain import Array, Chain, Operator
    from dsconv_cli.timing.worker.answers import Conditions, Graph

#: Old enough for every runtime that reads ONNX today; ours are its operators `Conv` and `QLinearConv`, unchanged since.
_OPSET: Final = 17
_IR_VERSION: Final = 8
_IMAGE: Final = "image"
#: Errors only: that an optimised graph was saved is no news.
_LOG_ERRORS: Final = 3


def onnx_bytes(chain: Chain) -> bytes:
    """The chain as an ONNX model with one input, called `image`, and one output.

    Weights are initialisers and nothing else: those that were inputs as well would not be constant, and miss the fast
    kernels.
    """
    from onnx import TensorProto, helper, numpy_helper

    initialisers: list[Any] = []

    def constant(name: str, value: Any) -> str:
        initialisers.append(numpy_helper.from_array(value, name))
        return name

    nodes, value = [], _IMAGE
    for index, one in enumerate(chain.operators):
        inputs = _inputs(chain, index, value, constant)
        value = f"output{index}"
        kind = "QLinearConv" if chain.quantised else "Conv"
        nodes.append(helper.make_node(kind, inputs, [value], **_attributes(one)))
    element = TensorProto.UINT8 if chain.quantised else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info(_IMAGE, element, chain.image.shape)],
        [helper.make_tensor_value_info(value, element, chain.output_shape)],
        initialisers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    return bytes(model.SerializeToString())


def _attributes(one: Operator) -> dict[str, Any]:
    layer = one.layer
    return {
        "kernel_shape": layer.kernel_size,
        "strides": layer.stride,
        "dilations": layer.dilation,
        "pads": (*layer.padding, *layer.padding_end),
        "group": layer.groups,
    }


def _inputs(chain: Chain, index: int, value: str, constant: Any) -> list[str]:
    """Of `Conv` or `QLinearConv`. Activations are uint8: with int8 ones it is three to five times slower."""
    import numpy as np

    one = chain.operators[index]
    weight = constant(f"weight{index}", one.weight)
    bias = [] if one.bias is None else [constant(f"bias{index}", one.bias)]
    if one.scales is None:
        return [value, weight, *bias]

    def step(name: str, place: int) -> Iterator[str]:
        yield constant(f"{name}_scale{index}", np.array(chain.steps[place].scale, np.float32))
        yield constant(f"{name}_zero{index}", np.array(chain.steps[place].zero, np.uint8))

    return [
        value,
        *step("input", index),
        weight,
        constant(f"weight_scale{index}", one.scales),
        constant(f"weight_zero{index}", np.zeros_like(one.scales, np.int8)),
        *step("output", index + 1),
        *bias,
    ]


def _build(chain: Chain, conditions: Conditions) -> Built[Array]:
    import onnxruntime

    model = onnx_bytes(chain)
    session = _session(model, conditions)
    binding = session.io_binding()
    # Bound memory: a call then costs 4.6 µs, where `run`, which copies both ways, costs 8.9.
    image = onnxruntime.OrtValue.ortvalue_from_numpy(chain.image)
    output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(chain.output_shape, chain.image.dtype)
    binding.bind_ortvalue_input(_IMAGE, image)
    binding.bind_ortvalue_output(session.get_outputs()[0].name, output)
    return Built(
        lambda: session.run_with_iobinding(binding),
        lambda: chain.numbers(output.numpy()),
        lambda: _ran(model, conditions),
    )


def _graph(graph: Graph, conditions: Conditions) -> Built[tuple[Array, ...]]:
    """What comes out may have a shape that depends on what goes in: its memory is made at each call."""
    import onnxruntime

    session = _session(graph.model, conditions)
    binding = session.io_binding()
    for one in session.get_inputs():
        binding.bind_ortvalue_input(one.name, onnxruntime.OrtValue.ortvalue_from_numpy(graph.inputs[one.name]))
    for one in session.get_outputs():
        binding.bind_output(one.name)
    return Built(
        lambda: session.run_with_iobinding(binding), lambda: tuple(one.numpy() for one in binding.get_outputs())
    )


def _session(model: bytes, conditions: Conditions, optimised: str = "") -> Any:
    import onnxruntime

    # It does nothing but on Windows, where events would be sent.
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = conditions.threads
    # Nodes in a row have nothing to do at the same time.
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_ERRORS
    # The default, said because it matters: at a lower level 7×7 is 6.8 instead of 24.8 times faster as a pair.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if optimised:
        options.optimized_model_filepath = optimised
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _ran(model: bytes, conditions: Conditions) -> Ran:
    """The nodes that are left when the graph is optimised, which only a saved graph tells."""
    import tempfile
    from pathlib import Path

    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        _session(model, conditions, str(path))
        nodes = onnx.load(path).graph.node
    kernels = tuple(".".join(filter(None, (one.domain.rpartition(".")[2], one.op_type))) for one in nodes)
    return Ran(kernels, conditions.dtype, " ".join(dict.fromkeys(kernels)))


ONNXRUNTIME: Final = Runtime(
    name="onnxruntime",
    title="ONNX Runtime",
    packages=("onnxruntime", "onnx"),
    distribution="onnxruntime",
    dtypes=("float32", "int8"),
    build=_build,
    extra="onnxruntime",
    graph=_graph,
)
