"""ncnn: a text that lists layers, and their raw weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.timing.runtimes.protocol import Built, Ran, Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsconv_cli.timing.runtimes.chain import Array, Chain, Operator
    from dsconv_cli.timing.worker.answers import Conditions

_MAGIC: Final = 7767517
_IMAGE: Final = "image"
#: What stands before weights in the file, and tells their type.
_FLOATS: Final = 0
_INT8: Final = 0x000D4B38
#: Integers go in and come out; they are not converted between one layer and the next.
_REQUANTISE: Final = 101
#: ncnn's integers are signed, and ours stand for the same numbers with 128 more.
_ZERO: Final = 128


def _text(chain: Chain) -> str:
    lines, value = [f"Input {_IMAGE} 0 1 {_IMAGE}"], _IMAGE
    for index, one in enumerate(chain.operators):
        kind = "ConvolutionDepthWise" if one.layer.groups > 1 else "Convolution"
        parameters = " ".join(f"{number}={value}" for number, value in _parameters(one).items())
        lines.append(f"{kind} layer{index} 1 1 {value} output{index} {parameters}")
        value = f"output{index}"
    return "\n".join([str(_MAGIC), f"{len(lines)} {len(lines)}", *lines, ""])


def _parameters(one: Operator) -> dict[int, int]:
    """By ncnn's numbers for them. Pairs are width first."""
    layer = one.layer
    found = {
        0: layer.out_channels,
        **dict(zip((1, 11), reversed(layer.kernel_size), strict=True)),
        **dict(zip((2, 12), reversed(layer.dilation), strict=True)),
        **dict(zip((3, 13), reversed(layer.stride), strict=True)),
        **dict(zip((4, 14), reversed(layer.padding), strict=True)),
        **dict(zip((15, 16), reversed(layer.padding_end), strict=True)),
        5: int(layer.bias),
        6: one.weight.size,
    }
    if layer.groups > 1:
        found[7] = layer.groups
    if one.scales is not None:
        found[8] = _REQUANTISE
    return found


def _weights(chain: Chain) -> Iterator[bytes]:
    for index, one in enumerate(chain.operators):
        yield (_FLOATS if one.scales is None else _INT8).to_bytes(4, "little")
        raw = one.weight.tobytes()
        yield raw + bytes(-len(raw) % 4)
        if (bias := chain.bias(index)) is not None:
            yield _floats(bias)
        if one.scales is not None:
            yield _floats(1 / one.scales)
            yield from (_floats(1 / chain.steps[place].scale) for place in (index, index + 1))


def _floats(numbers: Array | float) -> bytes:
    import numpy as np

    return np.asarray(numbers, "<f4").tobytes()


def _build(chain: Chain, conditions: Conditions) -> Built[Array]:
    import ncnn
    import numpy as np

    if chain.quantised and any(1 < one.layer.groups < one.layer.out_channels for one in chain.operators):
        raise CannotMeasureError("ncnn has one scale for all filters of a channel: int8 needs depth multiplier 1")
    net = _net(chain, conditions)
    pixels = (chain.image.astype(np.int16) - _ZERO).astype(np.int8) if chain.quantised else chain.image
    # A `Mat` made of an array does not keep that alive. It knows no batches: images are run one after another, as
    # whoever deploys it does.
    images = [ncnn.Mat(np.ascontiguousarray(one)).clone() for one in pixels]
    last = f"output{len(chain.operators) - 1}"

    def run(image: Any) -> Any:
        extractor = net.create_extractor()
        extractor.input(_IMAGE, image)
        failed, output = extractor.extract(last)
        if failed:
            raise CannotMeasureError(f"ncnn failed with {failed}")
        return output

    def output() -> Array:
        """It gives integers back as floating numbers."""
        found = np.stack([np.array(run(image)) for image in images])
        return found * np.float32(chain.steps[-1].scale) if chain.quantised else found

    return Built(lambda: [run(image) for image in images], output, lambda: Ran(precision=conditions.dtype))


def _net(chain: Chain, conditions: Conditions) -> Any:
    import tempfile
    from pathlib import Path

    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = conditions.threads
    net.opt.use_vulkan_compute = False
    # It stores numbers in 16 bits where the processor has arithmetic for them, which would be another dtype.
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage"):
        setattr(net.opt, name, False)
    with tempfile.TemporaryDirectory() as folder:
        text, weights = Path(folder) / "layer.param", Path(folder) / "layer.bin"
        text.write_text(_text(chain), encoding="ascii")
        with weights.open("wb") as file:
            file.writelines(_weights(chain))
        if net.load_param(str(text)) or net.load_model(str(weights)):
            raise CannotMeasureError("ncnn cannot load this layer")
    return net


NCNN: Final = Runtime(
    name="ncnn",
    title="ncnn",
    packages=("ncnn",),
    distribution="ncnn",
    dtypes=("float32", "int8"),
    build=_build,
    extra="ncnn",
)
