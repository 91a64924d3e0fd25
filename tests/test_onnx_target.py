"""Networks in `.onnx` files: counted, replaced, saved, and refused where they are not to be believed."""

from __future__ import annotations

import json

import graphs
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

INPUT = ("--input", "2,3,16,16")


@pytest.fixture
def network(tmp_path):
    return graphs.save(graphs.small(), tmp_path / "net.onnx")


@pytest.fixture
def document(here, valid):
    def go(*arguments):
        code, out, err = here(*arguments, "--format", "json")
        assert code == 0, err
        return valid(json.loads(out))

    return go


def test_every_layer_by_hand(network, document):
    """N = 2. stem: 2·8·8·8·27; body: 2·8·8·8·72; wide: 2·16·64·200; point: 2·8·64·16; depth: 2·8·64·9."""
    found = document(network, *INPUT)
    macs = {layer["name"]: layer["counted"]["macs"] for layer in found["layers"]}
    assert macs == {
        "stem": 27_648,
        "body": 73_728,
        "wide": 409_600,
        "point": 16_384,
        "depth": 9_216,
        "tied": 73_728,
        "again": 73_728,
        "up": 2 * 8 * 64 * 16,
        "head": 2 * 10 * 4,
    }
    assert {layer["name"]: layer["reason"] for layer in found["layers"] if not layer["eligible"]} == {
        "point": "1×1",
        "depth": "already depthwise",
        "tied": "shares its weights with another operator",
        "again": "shares its weights with another operator",
        "up": "transposed",
        "head": None,
    }
    weights = {
        "stem": 216,
        "body": 576 + 8,
        "wide": 3200,
        "point": 128,
        "depth": 72,
        "tied": 576,
        "again": 0,
        "up": 128,
        "head": 40,
    }
    assert {layer["name"]: layer["counted"]["params"] for layer in found["layers"]} == weights
    assert found["totals"]["params"]["before"] == sum(weights.values())
    assert found["totals"]["params"]["other"] == 0
    assert found["model"]["output"] == [[2, 10]]
    assert found["input"] == [{"name": "image", "shape": [2, 3, 16, 16], "dtype": "float32"}]
    after = sum(macs.values()) - (27_648 + 73_728 + 409_600)
    after += 2 * 64 * (3 * 9 + 3 * 8) + 2 * 64 * (8 * 9 + 8 * 8) + 2 * 64 * (8 * 25 + 8 * 16)
    assert found["totals"]["macs"]["after"] == after
    assert found["totals"]["after_counted"]
    # Four bytes each; 8·8² in and 16·8² out of `wide`, and as much of `up`, 8·8² in and 4·16² out, two images.
    saved = (216 - 51) + (584 - 144) + (3200 - 328)
    sizes = {
        name: (found["totals"][name]["before"], found["totals"][name]["after"])
        for name in ("weight_bytes", "activation_bytes")
    }
    assert sizes["weight_bytes"] == (4 * sum(weights.values()), 4 * (sum(weights.values()) - saved))
    assert sizes["activation_bytes"] == (4 * 2 * 24 * 64, 4 * 2 * 24 * 64)


def test_torch_counts_the_same(tmp_path, document):
    """A network of torch's, exported by the writer of the graph below, layer by layer."""
    import torch
    from torch import nn

    found = document(graphs.save(graphs.small(), tmp_path / "net.onnx"), *INPUT)
    layers = {
        "stem": (nn.Conv2d(3, 8, 3, 2, 1), (2, 3, 16, 16)),
        "wide": (nn.Conv2d(8, 16, 5, padding=2), (2, 8, 8, 8)),
        "up": (nn.ConvTranspose2d(8, 4, 2, 2), (2, 8, 8, 8)),
    }
    from model_checks import torch_macs

    for layer in found["layers"]:
        if layer["name"] in layers:
            module, shape = layers[layer["name"]]
            assert layer["counted"]["macs"] == torch_macs(module, torch.zeros(shape))


def test_fidelity_is_that_of_the_weights(network, document):
    found = document(network, *INPUT, "--fidelity", "--depth-multiplier", "2")
    for name, shape, seed in (("stem", (8, 3, 3, 3), 0), ("body", (8, 8, 3, 3), 1), ("wide", (16, 8, 5, 5), 7)):
        weight = graphs.trained(shape, seed).astype(np.float64)
        squares = [np.linalg.svd(weight[:, i].reshape(shape[0], -1), compute_uv=False) ** 2 for i in range(shape[1])]
        expected = sum(one[:2].sum() for one in squares) / (weight**2).sum()
        assert next(one for one in found["layers"] if one["name"] == name)["fidelity"] == pytest.approx(expected)


@pytest.mark.parametrize("external", [False, True])
def test_full_rank_is_the_same_network(network, here, tmp_path, external):
    if external:
        onnx.save(onnx.load(network), network, save_as_external_data=True, location="net.bin", size_threshold=0)
        assert (tmp_path / "net.bin").stat().st_size > 1000
    saved = tmp_path / "small.onnx"
    code, _, err = here(network, *INPUT, "--depth-multiplier", "25", "--save", saved)
    assert code == 0, err
    graphs.check(saved)
    image = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
    original = graphs.small().SerializeToString()
    wanted = graphs.run(original, image)
    assert np.allclose(graphs.run(saved.read_bytes(), image), wanted, atol=1e-4 * np.abs(wanted).max())
    kinds = [(node.op_type, node.name) for node in onnx.load(saved).graph.node]
    assert ("Conv", "stem/depthwise") in kinds
    assert ("Conv", "stem") not in kinds
    assert "stem.w" not in {one.name for one in onnx.load(saved).graph.initializer}


def test_what_was_saved_is_counted_as_it_was_promised(network, here, document, tmp_path):
    saved = tmp_path / "small.onnx"
    assert here(network, *INPUT, "--save", saved)[0] == 0
    promised = document(network, *INPUT)["totals"]
    found = document(saved, *INPUT)["totals"]
    for metric in ("macs", "params"):
        assert found[metric]["before"] == promised[metric]["after"]


def test_targets_and_auto(network, document):
    found = document(network, *INPUT, "--depth-multiplier", "auto", "--min-fidelity", "0.9")
    for layer in found["layers"]:
        if layer["replaced"]:
            assert layer["fidelity"] >= 0.9
            assert layer["macs"]["ratio"] > 1


def without_a_shape():
    """A Reshape to a shape that is an output of the network's own arithmetic."""
    nodes = [
        helper.make_node("NonZero", ["image"], ["places"]),
        helper.make_node("Cast", ["places"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["numbers", "axes"], ["picture"]),
        graphs.conv("picture", "lost.w", "lost"),
        graphs.conv("image", "stem.w", "stem"),
    ]
    weights = {"axes": np.array([0, 1]), "lost.w": graphs.trained((4, 1, 3, 3)), "stem.w": graphs.trained((8, 3, 3, 3))}
    return graphs.model(nodes, weights)


def test_a_layer_whose_shape_cannot_be_inferred_is_named_not_guessed(here, valid, tmp_path):
    path = graphs.save(without_a_shape(), tmp_path / "net.onnx")
    code, out, err = here(path, *INPUT, "--format", "json")
    assert code == 0
    found = valid(json.loads(out))
    lost, stem = found["layers"]
    assert (lost["name"], lost["counted"]["macs"], lost["reason"]) == ("lost", 0, "its shape cannot be inferred")
    assert stem["eligible"]
    assert found["totals"]["uncounted"] == ["Conv"]
    assert found["totals"]["macs"]["before"] == 2 * 8 * 14 * 14 * 27
    assert "note: 1 layer of a shape that cannot be inferred, in no total of MACs: lost" in err


def test_sizes_that_the_graph_computes_itself(document, tmp_path):
    """As Paddle's exporter flattens: the batch cut out of the shape, and -1 behind it. onnx alone stops at opset 11."""
    nodes = [
        graphs.conv("image", "w", "conv"),
        helper.make_node("Shape", ["conv"], ["shape"]),
        helper.make_node("Slice", ["shape", "from", "to", "axis"], ["batch"]),
        helper.make_node("Cast", ["batch"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Concat", ["whole", "rest"], ["sizes"], axis=0),
        helper.make_node("Reshape", ["conv", "sizes"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head.w"], ["out"], name="head"),
    ]
    numbers = {"from": [0], "to": [1], "axis": [0], "rest": [-1]}
    weights = {"w": graphs.trained((8, 3, 3, 3)), "head.w": np.ones((8 * 14 * 14, 10), np.float32)}
    weights |= {name: np.array(values) for name, values in numbers.items()}
    found = document(graphs.save(graphs.model(nodes, weights, opset=11), tmp_path / "net.onnx"), *INPUT)
    assert {layer["name"]: layer["counted"]["macs"] for layer in found["layers"]} == {
        "conv": 2 * 8 * 14 * 14 * 27,
        "head": 2 * 8 * 14 * 14 * 10,
    }
    assert found["totals"]["uncounted"] == []
    assert found["model"]["output"] == [[2, 10]]


def branches():
    inner = helper.make_graph(
        [graphs.conv("image", "stem.w", "inner")], "then", [], [helper.make_tensor_value_info("inner", 1, None)]
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["same"])],
        "else",
        [],
        [helper.make_tensor_value_info("same", 1, None)],
    )
    nodes = [
        graphs.conv("image", "own.w", "own"),
        helper.make_node("If", ["yes"], ["out"], then_branch=inner, else_branch=other, name="if"),
    ]
    weights = {"stem.w": graphs.trained((8, 3, 3, 3)), "own.w": graphs.trained((8, 3, 3, 3)), "yes": np.array(True)}
    return graphs.model(nodes, weights)


def test_a_layer_in_a_branch_is_named(document, tmp_path):
    own, inner = document(graphs.save(branches(), tmp_path / "net.onnx"), *INPUT)["layers"]
    assert own["eligible"]
    assert (inner["name"], inner["reason"], inner["calls"]) == ("if/inner", "inside If", 0)


def one_layer(**more):
    return graphs.model([graphs.conv("image", "w", "out", **more)], {"w": graphs.trained((8, 3, 3, 3))})


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"pads": [0, 0, 1, 1]}, "padding that differs on its sides"),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, "padding that differs on its sides"),
        ({"kernel_shape": [5, 5]}, "says its kernel is 5×5, its weight 3×3"),
        ({"auto_pad": "SAME_LOWER", "dilations": [2, 2]}, None),
        ({"auto_pad": "VALID", "strides": [3, 1]}, None),
    ],
)
def test_paddings(document, tmp_path, attributes, reason):
    (layer,) = document(graphs.save(one_layer(**attributes), tmp_path / "net.onnx"), *INPUT)["layers"]
    assert layer["reason"] == reason


def test_a_weight_that_is_computed(document, tmp_path):
    nodes = [helper.make_node("Mul", ["w", "scale"], ["scaled"]), graphs.conv("image", "scaled", "out")]
    weights = {"w": graphs.trained((8, 3, 3, 3)), "scale": np.array(2, np.float32)}
    (layer,) = document(graphs.save(graphs.model(nodes, weights), tmp_path / "net.onnx"), *INPUT)["layers"]
    assert layer["reason"] == "its weight is computed"


# --- time ------------------------------------------------------------------------------------------------------


@pytest.fixture
def laboratory(monkeypatch):
    """Every layer is 3 times as fast when separable, the network 2 times."""
    import fakes

    from dsconv_cli.timing import timer
    from dsconv_cli.timing.jobs import MeasureGraphs

    made = fakes.FakeLaboratory(ratio=3.0, ratios={MeasureGraphs: 2.0}, spread=0.0)
    monkeypatch.setattr(timer, "ProcessLaboratory", lambda: made)
    return made


def test_a_file_is_timed_on_what_runs_files(here, network, laboratory):
    code, out, err = here(network, *INPUT, "--runtime", "onnxruntime,torch", "--format", "json")
    assert code == 0, err
    found = json.loads(out)["totals"]["runtimes"]
    assert found["onnxruntime"]["speedup"]["value"] == pytest.approx(2, rel=0.05)
    assert found["torch"] is None
    assert "runs no .onnx file here" in err


def test_time_alone_is_that_on_onnxruntime(here, network, laboratory):
    assert here(network, *INPUT, "--time", "--get", "totals.time.runtime.name")[1] == "onnxruntime\n"


def test_what_is_timed_is_the_file_and_the_file_with_pairs(network):
    from dsconv_cli.layer.spec import ConvSpec
    from dsconv_cli.model.result import InputShape, Recipe
    from dsconv_cli.model.timing import ExportNetwork

    recipe = Recipe(str(network), {}, (InputShape(None, (2, 3, 16, 16), ""),))
    chosen = (("body", ConvSpec(8, 8, h=8, w=8, depth_multiplier=8)),)
    found = ExportNetwork(recipe, chosen).run()
    wanted = graphs.run(network.read_bytes(), found["ordinary"].inputs["image"])
    for one in found.values():
        (output,) = one.outputs
        assert np.allclose(output, wanted, atol=1e-4 * np.abs(wanted).max()), "M = min(K, R·S): nothing is lost"
        assert np.array_equal(graphs.run(one.model, one.inputs["image"]), output)
    assert (
        len(onnx.load_model_from_string(found["separable"].model).graph.node) == len(onnx.load(network).graph.node) + 1
    )


# --- what is refused -------------------------------------------------------------------------------------------


def lying(**fields):
    found = one_layer()
    tensor = found.graph.initializer[0]
    for name, value in fields.items():
        if name == "dims":
            del tensor.dims[:]
            tensor.dims.extend(value)
        else:
            setattr(tensor, name, value)
    return found


def outside(location, **more):
    found = one_layer()
    tensor = found.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=str(value))
    return found


HOSTILE = {
    "larger than it is": (lying(dims=[10**9, 10**9, 3, 3]), "is said to be 1000000000×1000000000×3×3 and has 864 of"),
    "negative": (lying(dims=[-8, 3, 3, 3]), "is said to be -8×3×3×3 and has no shape"),
    "cut off": (lying(raw_data=b"1234"), "has 4 of 864 bytes"),
    "a parent's file": (outside("../secret.bin"), "outside of its folder ('../secret.bin')"),
    "an absolute path": (outside("/etc/passwd"), "outside of its folder ('/etc/passwd')"),
    "a link out of the folder": (outside("link.bin"), "outside of its folder ('link.bin')"),
    "no file": (outside("none.bin"), "are in 'none.bin', which is not there"),
    "a short file": (outside("short.bin"), "and has 100 bytes in short.bin"),
    "an offset beyond": (outside("short.bin", offset=10**12), "and has 0 bytes in short.bin"),
    "no number": (outside("short.bin", offset="x"), "are in 'short.bin', which is not there"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_files_that_lie(here, tmp_path, kind):
    found, message = HOSTILE[kind]
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 864)
    (folder / "short.bin").write_bytes(b"\0" * 100)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    code, out, err = here(graphs.save(found, folder / "net.onnx"), *INPUT, "--fidelity")
    assert (code, out) == (2, "")
    (error,) = err.splitlines()
    assert message in error


@pytest.mark.parametrize("inner", [False, True])
def test_numbers_of_any_node_and_graph_lie_in_the_folder(here, tmp_path, inner):
    """ONNX Runtime would be left with them, and a saved file would point to them."""
    (lie,) = outside("../secret.bin").graph.initializer
    filled = helper.make_node("ConstantOfShape", ["two"], ["filled"], value=lie)
    nodes = [graphs.conv("image", "w", "out"), filled]
    if inner:
        branch = helper.make_graph(
            [helper.make_node("Identity", ["w"], ["b"])], "b", [], [helper.make_tensor_value_info("b", 1, None)], [lie]
        )
        nodes[1] = helper.make_node("If", ["yes"], ["filled"], then_branch=branch, else_branch=branch)
    weights = {"w": graphs.trained((8, 3, 3, 3)), "two": np.array([2]), "yes": np.array(True)}
    path = graphs.save(graphs.model(nodes, weights), tmp_path / "net.onnx")
    code, out, err = here(path, *INPUT, "--save", tmp_path / "out.onnx")
    assert (code, out) == (2, "")
    assert "outside of its folder ('../secret.bin')" in err


@pytest.mark.parametrize("place", ["training", "function"])
def test_numbers_for_training_and_of_functions_are_no_way_out_either(here, tmp_path, place):
    (lie,) = outside("../secret.bin").graph.initializer
    found = one_layer()
    if place == "training":
        found.training_info.add().initialization.initializer.append(lie)
    else:
        function = found.functions.add(name="f", domain="d")
        function.attribute_proto.append(helper.make_attribute("default", lie))
    path = graphs.save(found, tmp_path / "net.onnx")
    code, out, err = here(path, *INPUT, "--save", tmp_path / "out.onnx")
    assert (code, out) == (2, "")
    assert "outside of its folder ('../secret.bin')" in err


def test_what_lies_beside_a_file_is_all_in_the_saved_one(here, tmp_path):
    """Also what an inner graph and a node of another kind have."""
    found = branches()
    (inner,) = (one.g for one in found.graph.node[1].attribute if one.name == "then_branch")
    inner.initializer.append(numpy_helper.from_array(graphs.trained((8, 3, 3, 3)), "stem.w"))
    tensor = inner.initializer[0]
    (tmp_path / "inner.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="inner.bin")
    path = graphs.save(found, tmp_path / "net.onnx")
    (tmp_path / "saved").mkdir()
    saved = tmp_path / "saved/out.onnx"
    assert here(path, *INPUT, "--save", saved)[0] == 0
    graphs.run(saved.read_bytes(), np.zeros((2, 3, 16, 16), np.float32))


def of_a_type_to_come():
    found = one_layer()
    found.graph.initializer[0].data_type = 97
    return found.SerializeToString(), "its tensor 'w' is said to be 8×3×3×3 and has 864 bytes of type 97"


def with_a_name_that_is_no_text():
    content = one_layer().SerializeToString()
    return content.replace(b"image", b"im\xffge"), "names in it are no text"


def with_an_attribute_of_a_wrong_type():
    found = one_layer()
    found.graph.node[0].attribute.append(helper.make_attribute("group", [1, 1]))
    return found.SerializeToString(), "group of its Conv 'out' is of a wrong type"


def with_an_attribute_of_a_function():
    found = one_layer(group=1)
    (group,) = (one for one in found.graph.node[0].attribute if one.name == "group")
    group.ref_attr_name = "g"
    return found.SerializeToString(), "group of its Conv 'out' refers to a function that it is not in"


def with_two_values_of_a_name():
    found = one_layer()
    found.graph.initializer.append(numpy_helper.from_array(np.zeros((2, 8, 14, 14), np.float32), "out"))
    return found.SerializeToString(), "has two values called 'out'"


def with_a_part_of_a_tensor():
    found = one_layer()
    found.graph.initializer[0].segment.end = 8
    return found.SerializeToString(), "its tensor 'w' is in several pieces"


def with_an_operator_of_a_library_that_it_does_not_name():
    found = one_layer()
    found.graph.node.append(helper.make_node("Odd", ["out"], ["odd"], domain="some.library"))
    return found.SerializeToString(), "onnx cannot infer the shapes of"


def with_an_input_of_a_type_to_come():
    found = one_layer()
    found.graph.input[0].type.tensor_type.elem_type = 97
    return found.SerializeToString(), "takes image as type 97, a type that the installed onnx does not know"


def with_a_size_that_is_no_text():
    return one_layer().SerializeToString().replace(b"\x12\x01n", b"\x12\x01\xff"), "names in it are no text"


def with_a_place_that_is_no_text():
    return outside("short").SerializeToString().replace(b"short", b"sh\xffrt"), "which is not there"


@pytest.mark.parametrize(
    "made",
    [
        *(of_a_type_to_come, with_a_name_that_is_no_text, with_an_attribute_of_a_wrong_type),
        *(with_an_attribute_of_a_function, with_two_values_of_a_name, with_a_part_of_a_tensor),
        with_an_operator_of_a_library_that_it_does_not_name,
        *(with_an_input_of_a_type_to_come, with_a_size_that_is_no_text, with_a_place_that_is_no_text),
    ],
    ids=lambda one: one.__name__,
)
def test_what_no_exporter_writes(here, tmp_path, made):
    content, message = made()
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    code, out, err = here(path, *INPUT, "--fidelity")
    assert (code, out) == (2, "")
    (error,) = err.splitlines()
    assert message in error


def text_that_is_none():
    """A tensor of text in a sum of sizes."""
    tensor = TensorProto(name="t", data_type=TensorProto.STRING, dims=[3], raw_data=b"abc")
    return helper.make_node("Concat", ["t", "t"], ["s"], axis=0), tensor


def nothing_of_impossible_sizes():
    tensor = TensorProto(name="t", data_type=TensorProto.INT64, dims=[0, 2**62, 2**62], raw_data=b"")
    return helper.make_node("Concat", ["t", "t"], ["s"], axis=0), tensor


@pytest.mark.parametrize(
    "made",
    [
        lambda: (helper.make_node("Shape", [], ["s"]), None),
        lambda: (helper.make_node("FusedConv", ["image", "w"], [], domain="com.microsoft"), None),
        text_that_is_none,
        nothing_of_impossible_sizes,
    ],
    ids=["shape", "fused", "text", "nothing"],
)
def test_a_strange_node_is_no_matter_for_the_others(document, tmp_path, made):
    node, tensor = made()
    found = one_layer()
    found.graph.node.append(node)
    found.graph.initializer.extend([] if tensor is None else [tensor])
    found.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    counted = document(graphs.save(found, tmp_path / "net.onnx"), *INPUT)
    assert counted["totals"]["macs"]["before"] == 2 * 8 * 14 * 14 * 27


def test_a_weight_that_is_computed_has_no_parameters_whatever_it_is_called(document, tmp_path):
    """As a saved network's are that was quantised: dsconv's own names, and what gives the values behind them."""
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale"], ["dsconv/stem/depthwise_out"]),
        graphs.conv("image", "dsconv/stem/depthwise_out", "stem"),
        helper.make_node("Unknown", ["stem"], ["dsconv/x"], domain="of.mine"),
        helper.make_node("MatMul", ["stem", "dsconv/x"], ["out"], name="product"),
    ]
    weights = {"w": np.ones((8, 3, 3, 3), np.int8), "scale": np.array(2, np.float32)}
    found = graphs.model(nodes, weights)
    found.opset_import.append(helper.make_opsetid("of.mine", 1))
    counted = document(graphs.save(found, tmp_path / "net.onnx"), *INPUT)
    assert [layer["counted"]["params"] for layer in counted["layers"]] == [0, 0]
    assert counted["totals"]["params"] == {"before": 0, "after": 0, "ratio": 1.0, "other": 0}


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08", b"\xff" * 4096])
def test_what_is_no_model(here, tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    code, out, err = here(path, *INPUT)
    assert (code, out) == (2, "")
    assert "is not an .onnx file" in err


def test_damaged_bytes_never_end_in_a_traceback(here, tmp_path):
    whole = graphs.small().SerializeToString()
    random = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole) if random.random() < 0.3 else 900, 3):
            damaged[place] = random.integers(0, 256)
        (tmp_path / "net.onnx").write_bytes(bytes(damaged))
        code, out, err = here(tmp_path / "net.onnx", *INPUT, "--get", "totals.macs.before")
        assert code in (0, 2, 3)
        assert "Traceback" not in err
        assert code == 0 or (out == "" and len([one for one in err.splitlines() if one.startswith("error:")]) == 1)


WRONG = [
    ((), "needs inputs, such as --input 1,3,224,224: it takes image (n×3×16×16)"),
    (("--input", "1,4,16,16"), "takes image (n×3×16×16), not 1×4×16×16"),
    (("--input", "x=1,3,16,16"), "takes image (n×3×16×16), and no 'x'"),
    ((*INPUT, "--input", "1"), "and was given 2"),
    ((*INPUT, "--input-dtype", "int64"), "takes image as float32, not int64"),
    ((*INPUT, "--arg", "a=1"), "is a network already and takes no arguments"),
    (("--inputs", "a.py:b"), "--inputs is for networks that are code"),
    ((*INPUT, "--dtype", "float16"), "--dtype is for networks that are code"),
    ((*INPUT, "--save", "x.pt2"), "is saved as .onnx"),
    ((*INPUT, "--save", "x.onnx", "--refit"), "--refit is for networks that are code or .pt2"),
    ((*INPUT, "--save", "x.bin"), "its ending must be one of .onnx .pt2 .safetensors"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_one_clear_line(here, network, arguments, message):
    code, out, err = here(network, *arguments)
    assert (code, out) == (2, "")
    (error,) = err.splitlines()
    assert message in error


def test_no_convolution(here, tmp_path):
    nodes = [helper.make_node("Relu", ["image"], ["out"])]
    code, _, err = here(graphs.save(graphs.model(nodes, {}), tmp_path / "net.onnx"), *INPUT)
    assert code == 2
    assert "has no convolution: there is nothing to replace" in err


def test_torch_is_not_loaded(network, python):
    import subprocess

    code = (
        "import sys; from dsconv_cli.cli import run; "
        f"run(['model', {str(network)!r}, '--input', '1,3,16,16', '--fidelity', '--get', 'totals.macs.before']); "
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip().isdigit()


def test_without_onnx_one_line_names_the_extra(here, network, monkeypatch):
    from dsconv_cli.cli import model_run

    monkeypatch.setattr(model_run, "installed", lambda package: False)
    code, out, err = here(network, *INPUT)
    assert (code, out) == (2, "")
    assert "net.onnx needs onnx: pip install 'dsconv-cli[onnx]'" in err


def test_half_precision(here, tmp_path):
    half = graphs.trained((8, 3, 3, 3)).astype(np.float16)
    found = graphs.model([graphs.conv("image", "w", "out")], {"w": half})
    found.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    found.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    path = graphs.save(found, tmp_path / "net.onnx")
    assert here(path, *INPUT, "--save", tmp_path / "half.onnx")[0] == 0
    kept = {one.name: one for one in onnx.load(tmp_path / "half.onnx").graph.initializer}
    assert {one.data_type for one in kept.values()} == {TensorProto.FLOAT16}
    assert numpy_helper.to_array(kept["dsconv/out/depthwise"]).shape == (3, 1, 3, 3)
