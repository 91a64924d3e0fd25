"""LiteRT (TensorFlow Lite): a model written by its schema, run by its interpreter, which hands it to XNNPACK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.timing.runtimes.protocol import CHANNELS_LAST, Built, Ran, Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsconv_cli.layer.forms import ConvLayer
    from dsconv_cli.timing.runtimes.chain import Array, Chain, Step
    from dsconv_cli.timing.worker.answers import Conditions

_IDENTIFIER: Final = b"TFL3"
_SCHEMA_VERSION: Final = 3
#: The version of its convolutions that has signed activations and weights quantised by channel.
_OPERATOR_VERSIONS: Final = {False: 1, True: 3}
#: Its integers are signed, and ours stand for the same numbers with 128 more.
_ZERO: Final = 128
_DELEGATE: Final = "DELEGATE"


class _Model:
    """A model while it is written: tensors, and operators that take and give them by number. Images are N,H,W,C."""

    def __init__(self, *, quantised: bool) -> None:
        from ai_edge_litert import schema_py_generated

        self.schema: Any = schema_py_generated
        self._quantised = quantised
        self._buffers = [self.schema.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[int, Any] = {}

    def activation(self, shape: Sequence[int], step: Step | None) -> int:
        """What flows."""
        if step is None:
            return self._tensor(shape, self.schema.TensorType.FLOAT32)
        return self._tensor(
            shape, self.schema.TensorType.INT8, None, self._quantisation([step.scale], 0, step.zero - _ZERO)
        )

    def constant(self, value: Array, scales: Array | None = None, axis: int = 0) -> int:
        """Numbers of its own; with `scales` integers, of which each index along `axis` has its own scale."""
        types = self.schema.TensorType
        kind = {"float32": types.FLOAT32, "int32": types.INT32, "int8": types.INT8}[str(value.dtype)]
        quantisation = None if scales is None else self._quantisation(scales.tolist(), axis, 0)
        return self._tensor(value.shape, kind, value, quantisation)

    def _tensor(
        self, shape: Sequence[int], kind: int, value: Array | None = None, quantisation: Any | None = None
    ) -> int:
        import numpy as np

        tensor = self.schema.TensorT()
        tensor.shape, tensor.type, tensor.quantization = list(shape), kind, quantisation
        tensor.name = f"tensor{len(self._tensors)}".encode()
        if value is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(value.tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _quantisation(self, scales: list[float], axis: int, zero: int) -> Any:
        found = self.schema.QuantizationParametersT()
        found.scale, found.zeroPoint, found.quantizedDimension = scales, [zero] * len(scales), axis
        return found

    def operator(self, name: str, inputs: Sequence[int], output: int, options: Any) -> None:
        """One operator, by its name in the schema; its options are of the class that the schema has for it."""
        code = getattr(self.schema.BuiltinOperator, name)
        if code not in self._codes:
            found = self.schema.OperatorCodeT()
            found.builtinCode = found.deprecatedBuiltinCode = code
            found.version = _OPERATOR_VERSIONS[self._quantised]
            self._codes[code] = found
        one = self.schema.OperatorT()
        one.opcodeIndex = list(self._codes).index(code)
        one.inputs, one.outputs, one.builtinOptions = list(inputs), [output], options
        one.builtinOptionsType = getattr(self.schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(one)

    def bytes(self, image: int, output: int) -> bytes:
        """The file."""
        import flatbuffers

        graph = self.schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self._tensors, self._operators, [image], [output]
        graph.name = b"layer"
        model = self.schema.ModelT()
        model.version, model.description = _SCHEMA_VERSION, b""
        model.operatorCodes, model.subgraphs, model.buffers = list(self._codes.values()), [graph], self._buffers
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())


def _model(chain: Chain) -> bytes:
    model = _Model(quantised=chain.quantised)
    count, channels, height, width = chain.image.shape
    image = value = model.activation((count, height, width, channels), chain.steps[0] if chain.quantised else None)
    for index in range(len(chain.operators)):
        value = _convolution(model, chain, index, value)
    return model.bytes(image, value)


def _convolution(model: _Model, chain: Chain, index: int, value: int) -> int:
    import numpy as np

    one = chain.operators[index]
    layer, schema = one.layer, model.schema
    before, after = (chain.steps[index], chain.steps[index + 1]) if chain.quantised else (None, None)
    like_theirs = _same(layer)
    if not like_theirs:
        value = _padded(model, layer, value, before)
    depthwise = layer.groups > 1
    weight = model.constant(
        np.ascontiguousarray(one.weight.transpose((1, 2, 3, 0) if depthwise else (0, 2, 3, 1))),
        one.scales,
        3 if depthwise else 0,
    )
    # Its converter writes a bias always.
    zeros = np.zeros(layer.out_channels, np.int32 if chain.quantised else np.float32)
    bias = model.constant(
        zeros if one.bias is None else one.bias,
        None if one.scales is None or before is None else one.scales * np.float32(before.scale),
    )
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME if like_theirs else schema.Padding.VALID
    options.strideH, options.strideW = layer.stride
    options.dilationHFactor, options.dilationWFactor = layer.dilation
    if depthwise:
        options.depthMultiplier = layer.out_channels // layer.in_channels
    output = model.activation((layer.batch, *layer.output_size, layer.out_channels), after)
    model.operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", (value, weight, bias), output, options)
    return output


def _same(layer: ConvLayer) -> bool:
    """Whether the padding is TensorFlow's `SAME`: ⌈size ÷ stride⌉ outputs, and what is odd goes to the end."""
    for axis in (0, 1):
        size, stride = layer.input_size[axis], layer.stride[axis]
        steps = -(-size // stride)
        kernel = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
        whole = max((steps - 1) * stride + kernel - size, 0)
        if (layer.padding[axis], layer.padding_end[axis]) != (whole // 2, whole - whole // 2):
            return False
    return True


def _padded(model: _Model, layer: ConvLayer, value: int, step: Step | None) -> int:
    """Padding that its convolutions have no word for is an operator of its own, as its converter writes it."""
    import numpy as np

    around = [(0, 0), *zip(layer.padding, layer.padding_end, strict=True), (0, 0)]
    if not np.any(around):
        return value
    height, width = (size + sum(pair) for size, pair in zip(layer.input_size, around[1:3], strict=True))
    output = model.activation((layer.batch, height, width, layer.in_channels), step)
    model.operator("PAD", (value, model.constant(np.array(around, np.int32))), output, model.schema.PadOptionsT())
    return output


def _build(chain: Chain, conditions: Conditions) -> Built[Array]:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=_model(chain), num_threads=conditions.threads)
    interpreter.allocate_tensors()
    image = np.ascontiguousarray(chain.image.transpose(0, 2, 3, 1))
    place = interpreter.get_input_details()[0]["index"]
    interpreter.set_tensor(place, (image.astype(np.int16) - _ZERO).astype(np.int8) if chain.quantised else image)
    result = interpreter.get_output_details()[0]["index"]

    def output() -> Array:
        found = interpreter.get_tensor(result).transpose(0, 3, 1, 2)
        return chain.numbers(found.astype(np.int16) + _ZERO if chain.quantised else found)

    return Built(interpreter.invoke, output, lambda: _ran(interpreter, conditions.dtype))


def _ran(interpreter: Any, dtype: str) -> Ran:
    """The operators, and who runs them: XNNPACK where it took them over, else kernels of LiteRT itself."""
    names = [one["op_name"] for one in interpreter._get_ops_details()]  # noqa: SLF001  nothing public tells
    family = "XNNPACK" if _DELEGATE in names else "built in"
    return Ran(tuple(f"{name} ({family})" for name in names if name != _DELEGATE), dtype, family)


LITERT: Final = Runtime(
    name="litert",
    title="LiteRT",
    packages=("ai_edge_litert", "flatbuffers"),
    distribution="ai-edge-litert",
    dtypes=("float32", "int8"),
    build=_build,
    extra="litert",
    layout=CHANNELS_LAST,
)
