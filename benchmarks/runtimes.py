"""The ratio of times on each runtime, measured by hand: graphs built in another way, and no code of dsconv.

    python benchmarks/runtimes.py [RUNTIME ...] [--layers 8] [--processes 10] [--budget 15] [--threads 1]

For each of eight layers and each runtime: half of the processes, `dsconv compare --runtime`, the other half. Each
process is a new interpreter in which the two forms take turns on the wall clock, a block of calls each; its ratio is
that of the medians. torch's exporter writes the graphs of ONNX Runtime and OpenVINO (by tracing, which needs the
package onnx and no onnxscript), and LiteRT's are put together field by field from its published schema. ncnn has one
format, a text, which is written here anew. The ratio is the geometric mean over the processes; dsconv's interval holds
it if it does so within two standard errors. A Markdown table. What is not installed is left out and said.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Call = Callable[[], Any]
ROUND_S = 0.008
WARM_S = 0.2


class Layer(NamedTuple):
    """K, C, kernel and size, both square, stride 1."""

    k: int
    c: int
    kernel: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.k}×{self.c}×{self.kernel}×{self.kernel} on {self.size}×{self.size}"

    @property
    def macs_ratio(self) -> float:
        return 1 / (1 / self.k + 1 / self.kernel**2)


LAYERS = (
    Layer(64, 32, 3, 56),
    Layer(128, 128, 3, 28),
    Layer(512, 512, 3, 14),
    Layer(64, 64, 7, 56),
    Layer(16, 16, 3, 8),
    Layer(1024, 1024, 3, 7),
    Layer(32, 32, 3, 112),
    Layer(96, 48, 5, 28),
)


def modules(layer: Layer) -> dict[str, Any]:
    """Both forms in torch."""
    import torch
    from torch.nn import Conv2d, Sequential

    torch.set_flush_denormal(True)
    torch.empty(31 * 2**20, dtype=torch.uint8)
    half = layer.kernel // 2
    return {
        "ordinary": Conv2d(layer.c, layer.k, layer.kernel, padding=half, bias=False).eval(),
        "separable": Sequential(
            Conv2d(layer.c, layer.c, layer.kernel, padding=half, groups=layer.c, bias=False),
            Conv2d(layer.c, layer.k, 1, bias=False),
        ).eval(),
    }


def image(layer: Layer) -> Any:
    import torch

    return torch.randn(1, layer.c, layer.size, layer.size)


def on_torch(module: Any, layer: Layer, _: int) -> Call:
    given = image(layer)
    return lambda: module(given)


def on_compiled(module: Any, layer: Layer, _: int) -> Call:
    import torch
    import torch._inductor.config

    torch._inductor.config.freezing = True  # noqa: SLF001
    torch._inductor.config.compile_threads = 1  # noqa: SLF001
    given, compiled = image(layer), torch.compile(module)
    return lambda: compiled(given)


def exported(module: Any, layer: Layer) -> bytes:
    """An ONNX file by torch's exporter."""
    import io
    import warnings

    import torch

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (image(layer),), file, dynamo=False, input_names=["x"], output_names=["y"])  # type: ignore[arg-type]
    return file.getvalue()


def on_onnxruntime(module: Any, layer: Layer, threads: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(exported(module, layer), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(image(layer).numpy()))
    shape = (1, layer.k, layer.size, layer.size)
    binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, "float32"))
    return lambda: session.run_with_iobinding(binding)


def on_openvino(module: Any, layer: Layer, threads: int) -> Call:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    how = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    core = openvino.Core()
    request = core.compile_model(core.read_model(exported(module, layer)), "CPU", how).create_infer_request()
    request.set_input_tensor(openvino.Tensor(image(layer).numpy()))
    return lambda: request.infer(share_outputs=True)


def on_litert(module: Any, layer: Layer, threads: int) -> Call:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=tflite(module, layer), num_threads=threads)
    interpreter.allocate_tensors()
    given = image(layer).permute(0, 2, 3, 1).contiguous().numpy()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
    return interpreter.invoke  # type: ignore[no-any-return]


def tflite(module: Any, layer: Layer) -> bytes:
    """The file, by the numbers of the fields in TensorFlow's schema.fbs. Padding 0 is SAME, type 0 is float32."""
    import flatbuffers

    file = flatbuffers.Builder(1024)

    def vector(values: list[int], prepend: Any, width: int) -> int:
        file.StartVector(width, len(values), width)
        for value in reversed(values):
            prepend(value)
        return file.EndVector()  # type: ignore[no-any-return]

    def numbers(values: list[int]) -> int:
        return vector(values, file.PrependInt32, 4)

    def tables(places: list[int]) -> int:
        return vector(places, file.PrependUOffsetTRelative, 4)

    def table(fields: int, **values: tuple[Any, int]) -> int:
        """`values`: by `f` and the number of the field, the function of the builder and the value."""
        file.StartObject(fields)
        for slot, (prepend, value) in values.items():
            prepend(int(slot[1:]), value, 0)
        return file.EndObject()  # type: ignore[no-any-return]

    byte, integer, offset = file.PrependInt8Slot, file.PrependInt32Slot, file.PrependUOffsetTRelativeSlot
    unsigned = file.PrependUint32Slot
    buffers, tensors, operators = [table(1)], [], []

    def tensor(shape: list[int], data: bytes = b"") -> int:
        if data:
            file.StartVector(1, len(data), 16)
            file.head -= len(data)
            file.Bytes[file.head : file.head + len(data)] = data
            buffers.append(table(1, f0=(offset, file.EndVector())))
        sizes, name = numbers(shape), file.CreateString(f"t{len(tensors)}")
        place = len(buffers) - 1 if data else 0
        tensors.append(table(8, f0=(offset, sizes), f2=(unsigned, place), f3=(offset, name)))
        return len(tensors) - 1

    value = first = tensor([1, layer.size, layer.size, layer.c])
    for one in module if hasattr(module, "__iter__") else [module]:
        weight = one.weight.detach().permute((1, 2, 3, 0) if one.groups > 1 else (0, 2, 3, 1)).contiguous().numpy()
        given = [
            value,
            tensor(list(weight.shape), weight.tobytes()),
            tensor([one.out_channels], bytes(4 * one.out_channels)),
        ]
        value = tensor([1, layer.size, layer.size, one.out_channels])
        more = {"f3": (integer, 1)} if one.groups > 1 else {}
        strides = {"f1": (integer, 1), "f2": (integer, 1)}
        options = table(7, **strides, **more)
        inputs, outputs = numbers(given), numbers([value])
        kind = 2 if one.groups > 1 else 1
        operators.append(
            table(
                9,
                f0=(unsigned, kind - 1),
                f1=(offset, inputs),
                f2=(offset, outputs),
                f3=(file.PrependUint8Slot, kind),
                f4=(offset, options),
            )
        )
    codes = [table(4, f0=(byte, code), f2=(integer, 1), f3=(integer, code)) for code in (3, 4)]
    parts = [tables(tensors), numbers([first]), numbers([value]), tables(operators)]
    graph = table(5, **{f"f{slot}": (offset, part) for slot, part in enumerate(parts)})
    known, graphs, data = tables(codes), tables([graph]), tables(buffers)
    whole = table(5, f0=(unsigned, 3), f1=(offset, known), f2=(offset, graphs), f4=(offset, data))
    file.Finish(whole, b"TFL3")
    return bytes(file.Output())


def on_ncnn(module: Any, layer: Layer, threads: int) -> Call:
    import ncnn

    lines, value, raw = ["Input x 0 1 v0"], "v0", b""
    for number, one in enumerate(module if hasattr(module, "__iter__") else [module], 1):
        kind = "ConvolutionDepthWise" if one.groups > 1 else "Convolution"
        size, pad = one.kernel_size[0], one.padding[0]
        said = f"0={one.out_channels} 1={size} 4={pad} 6={one.weight.numel()} 7={one.groups}"
        lines.append(f"{kind} c{number} 1 1 {value} v{number} {said}")
        raw += bytes(4) + one.weight.detach().numpy().tobytes()
        value = f"v{number}"
    net = ncnn.Net()
    net.opt.num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        text, weights = Path(folder) / "a.param", Path(folder) / "a.bin"
        text.write_text("\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines, ""]))
        weights.write_bytes(raw)
        net.load_param(str(text))
        net.load_model(str(weights))
    given = ncnn.Mat(image(layer)[0].numpy()).clone()

    def call() -> Any:
        extractor = net.create_extractor()
        extractor.input("v0", given)
        return extractor.extract(value)

    return call


#: What builds a call, and the packages that it needs.
RUNTIMES: dict[str, tuple[Callable[[Any, Layer, int], Call], tuple[str, ...]]] = {
    "torch": (on_torch, ()),
    "torch-compile": (on_compiled, ()),
    "onnxruntime": (on_onnxruntime, ("onnxruntime",)),
    "litert": (on_litert, ("ai_edge_litert", "flatbuffers")),
    "openvino": (on_openvino, ("openvino",)),
    "ncnn": (on_ncnn, ("ncnn",)),
}


def one_process(name: str, layer: Layer, threads: int, seconds: float) -> dict[str, float]:
    """Median seconds of a call of either form."""
    import torch

    torch.set_num_threads(threads)
    with torch.inference_mode():
        calls = {form: RUNTIMES[name][0](module, layer, threads) for form, module in modules(layer).items()}

        def block(form: str, count: int) -> float:
            started = time.perf_counter()
            for _ in range(count):
                calls[form]()
            return time.perf_counter() - started

        for form in calls:
            block(form, 1)
        end = time.perf_counter() + WARM_S
        while time.perf_counter() < end:
            for form in calls:
                block(form, 1)
        count = max(1, round(ROUND_S / sum(block(form, 1) for form in calls)))
        times: dict[str, list[float]] = {form: [] for form in calls}
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times["ordinary"]) < 5:
            for form in calls:
                block(form, 1)
                times[form].append(block(form, count) / count)
    return {form: statistics.median(values) for form, values in times.items()}


def plain(name: str, number: int, asked: argparse.Namespace, processes: int) -> list[dict[str, float]]:
    command = [sys.executable, __file__, name, "--alone", str(number), "--threads", str(asked.threads)]
    command += ["--seconds", str(asked.seconds)]
    return [json.loads(subprocess.check_output(command, text=True).splitlines()[-1]) for _ in range(processes)]


def dsconv(name: str, layer: Layer, asked: argparse.Namespace) -> dict[str, Any]:
    options = {
        "--k": layer.k, "--c": layer.c, "--r": layer.kernel, "--s": layer.kernel, "--h": layer.size, "--w": layer.size,
        "--profiler": "none", "--runtime": name, "--budget": asked.budget, "--threads": asked.threads,
    }  # fmt: skip
    words = [str(word) for pair in options.items() for word in pair]
    said = subprocess.check_output([sys.executable, "-m", "dsconv_cli", "compare", *words, "--format", "json"])
    return json.loads(said)["time"]  # type: ignore[no-any-return]


def row(name: str, number: int, asked: argparse.Namespace) -> tuple[str, bool]:
    """A line of the table, and whether the interval holds."""
    layer = LAYERS[number]
    first = plain(name, number, asked, asked.processes - asked.processes // 2)
    said = dsconv(name, layer, asked)
    found = first + plain(name, number, asked, asked.processes // 2)
    logs = [math.log(one["ordinary"] / one["separable"]) for one in found]
    mean, error = statistics.fmean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
    gain = said["speedup"]
    holds = math.log(gain["low"]) - 2 * error <= mean <= math.log(gain["high"]) + 2 * error
    medians = [statistics.median(one[form] for one in found) * 1e6 for form in ("ordinary", "separable")]
    ours = [said[form]["median_s"] * 1e6 for form in ("ordinary", "separable")]
    cells = (
        layer.name, name, f"{layer.macs_ratio:.1f}", f"{math.exp(mean):.2f} ± {error:.1%}",
        f"{gain['value']:.2f} ({gain['low']:.2f} to {gain['high']:.2f})", "yes" if holds else "no",
        f"{medians[0]:.4g} / {medians[1]:.4g}", f"{ours[0]:.4g} / {ours[1]:.4g}",
        "yes" if said["reliable"] else "no",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |", holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtimes", nargs="*", metavar="RUNTIME", help=f"of {', '.join(RUNTIMES)}; all by default")
    parser.add_argument("--layers", type=int, default=len(LAYERS))
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--budget", type=float, default=15.0, help="of dsconv, for each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.6, help="that each process measures")
    parser.add_argument("--alone", type=int, help="what each of the processes does")
    asked = parser.parse_args()
    if asked.alone is not None:
        print(json.dumps(one_process(asked.runtimes[0], LAYERS[asked.alone], asked.threads, asked.seconds)))
        return
    names = []
    for name in asked.runtimes or RUNTIMES:
        missing = [one for one in RUNTIMES[name][1] if importlib.util.find_spec(one) is None]
        if missing:
            print(f"{name} is left out: {' and '.join(missing)} is not installed", file=sys.stderr)
        else:
            names.append(name)
    print("| layer | runtime | MACs | by hand | dsconv | holds | by hand, µs | dsconv, µs | reliable |")
    print("|---|---|---|---|---|---|---|---|---|")
    held = []
    for number in range(asked.layers):
        for name in names:
            line, holds = row(name, number, asked)
            print(line, flush=True)
            held.append(holds)
    print(f"\n{sum(held)} of {len(held)} intervals hold the ratio measured by hand.")


if __name__ == "__main__":
    main()
