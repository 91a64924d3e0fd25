"""Networks as other people have them: each count worked out by hand, or by torch's own counter on real tensors."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, run_dsconv, slow
from model_checks import torch_macs
from torch import nn

from dsconv_cli import DsconvError, Selection, analyse, separate

PEOPLE = Path(__file__).parent / "networks" / "people.py"


def _load():
    spec = importlib.util.spec_from_file_location("people_networks", PEOPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


people = _load()

pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")


IMAGE = (1, 3, 32, 32)
PLAIN = 3 * 8 * 9 * 32 * 32  # a 3×3 convolution of 3 to 8 channels on such an image

#: Network, its arguments, its input, MACs before.
COUNTS = [
    ("AsksForADtype", {}, IMAGE, 16 * 3 * 4 * 4 * 64 + 16 * 16 * 9 * 64),
    ("AsksForAStride", {}, IMAGE, PLAIN + 8 * 8 * 9 * 16 * 16),
    ("Recurrent", {}, (1, 1, 16, 40), 8 * 9 * 16 * 40 + 40 * 4 * 32 * (128 + 32)),
    ("Recurrent", {"look": False}, (1, 1, 16, 40), 8 * 9 * 16 * 40 + 40 * 4 * 32 * (128 + 32)),
    ("Recurrent", {"kind": "GRU"}, (1, 1, 16, 40), 8 * 9 * 16 * 40 + 40 * 3 * 32 * (128 + 32)),
    ("Recurrent", {"layers": 2, "bidirectional": True}, (1, 1, 16, 40), 46_080 + 40 * 2 * 4 * 32 * (160 + 96)),
    ("Attends", {}, IMAGE, 3 * 32 * 9 * 1024 + 2 * 1024 * 32),
    ("TimeFirst", {}, (1, 1, 16, 40), 4 * 9 * 16 * 40 + 40 * 3 * 64 * 16),
    ("Quantised", {}, IMAGE, PLAIN),
    ("Quantised", {"stem": True}, IMAGE, 3 * 3 * 9 * 1024 + PLAIN),
    ("ByKeyword", {}, IMAGE, (3 * 16 + 16 * 16) * 9 * 1024),
    ("SharedHead", {}, IMAGE, 3 * 16 * 9 * 1024 + 16 * 16 * 9 * (1024 + 256 + 64)),
    ("Detects", {}, IMAGE, 3 * 16 * 9 * 1024 + 16 * 1024),
    ("GivesAnExpandedParameter", {}, (1, 3, 8, 8), 3 * 8 * 9 * 64),
    ("Unlisted", {}, IMAGE, PLAIN + 2 * 8 * 8 * 9 * 1024),
]


@pytest.mark.parametrize(("name", "arguments", "shape", "macs"), COUNTS)
def test_macs_before(name, arguments, shape, macs):
    result = analyse(getattr(people, name)(**arguments), shape)
    assert result.macs.before == macs
    assert sum(layer.macs for layer in result.layers) == macs
    assert not result.uncounted


# --- what a network asks its convolutions for --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AsksForADtype", "AsksForAStride"])
def test_a_convolution_that_is_asked_for_attributes_is_replaced_all_the_same(name):
    model = getattr(people, name)()
    result = analyse(model, IMAGE)
    assert all(layer.replaced for layer in result.layers)
    assert result.after_counted
    assert result.macs.after == torch_macs(separate(model, IMAGE), torch.zeros(IMAGE))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("multiplier", [1, 3])
def test_the_pair_answers_for_the_convolution(dtype, multiplier):
    model = people.AsksForEverything().to(dtype)
    result = analyse(model, torch.zeros(1, 4, 9, 9, dtype=dtype), Selection(depth_multiplier=multiplier))
    assert [layer.replaced for layer in result.layers] == [True]
    assert separate(model, (1, 4, 9, 9))(torch.zeros(1, 4, 9, 9, dtype=dtype)).shape == (1, 6, 9, 5)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_the_weight_of_the_pair_is_that_of_the_convolution_that_computes_the_same(multiplier):
    old = nn.Conv2d(4, 6, (3, 5), stride=(1, 2), padding=(1, 2), dilation=(2, 1))
    pair = separate(nn.Sequential(old), selection=Selection(depth_multiplier=multiplier))[0]
    image = torch.randn(2, 4, 11, 12)
    with torch.no_grad():
        same = torch.conv2d(image, pair.weight, pair.bias, old.stride, old.padding, old.dilation)
        assert torch.allclose(pair(image), same, atol=1e-5)


def test_the_pair_is_copied_and_saved(tmp_path):
    import copy

    model = separate(people.AsksForADtype(), IMAGE).eval()
    image = torch.randn(IMAGE)
    torch.save(model.state_dict(), tmp_path / "state.pt")
    other = copy.deepcopy(model)
    other.load_state_dict(torch.load(tmp_path / "state.pt"))
    with torch.no_grad():
        assert torch.equal(other(image), model(image))


def test_the_pair_is_scripted():
    """In a process of its own: what else was scripted or exported in this one has a say in torch's answer."""
    code = (
        "import sys, torch; sys.path.insert(0, 'tests/networks'); import people\n"
        "from dsconv_cli import separate\n"
        "pair, image = separate(people.AsksForADtype(), (1, 3, 32, 32)).eval().patch, torch.randn(1, 3, 32, 32)\n"
        "print(torch.equal(torch.jit.script(pair)(image), pair(image)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("again", "the network reads its weight"),
        ("a part", "the network reads its weight"),
        ("a sum", "the network reads its weight"),
        ("a cast", "the network reads its weight"),
        ("instead", "never called; the network reads its weight"),
    ],
)
def test_a_weight_that_is_computed_with(how, reason):
    result = analyse(people.UsesItsWeight(how), IMAGE)
    reasons = {layer.name: layer.reason for layer in result.convolutions if layer.name}
    assert reasons == {"stem": None, "conv": reason}
    assert result.after_counted


# --- networks that do not run with a layer replaced ---------------------------------------------------------------


def test_a_layer_that_the_network_fails_without_is_found_named_and_left():
    result = analyse(people.AsksForMore(), IMAGE)
    assert {layer.name: layer.replaced for layer in result.layers} == {
        "body.0": True, "body.1": True, "body.2": True, "odd": False, "head": True,
    }  # fmt: skip
    assert next(layer for layer in result.layers if layer.name == "odd").reason == "the network fails without it"
    assert len(result.notes) == 1
    assert result.notes[0].startswith("odd cannot be replaced: without it the network raises AttributeError: ")
    assert "'gain'" in result.notes[0]
    assert result.after_counted
    assert result.macs.after == torch_macs(separate(people.AsksForMore(), IMAGE), torch.zeros(IMAGE))


def test_a_layer_without_which_the_output_has_another_shape():
    result = analyse(people.ChecksItsParts(), IMAGE)
    assert [layer.replaced for layer in result.layers] == [True, False]
    assert result.notes == ("conv cannot be replaced: without it the network gives 1×8 instead of 1×8×32×32",)


def test_a_target_is_reached_with_the_layers_that_do_go():
    """The odd layer alone would do. It cannot be replaced, and so two others have to be."""
    body, odd, head = 3 * 3 * 9 * 1024, PLAIN, 8 * 4 * 9 * 900
    before, saved_by_odd = 3 * body + odd + head, odd - 3 * (9 + 8) * 1024
    result = analyse(people.AsksForMore(), IMAGE, Selection(target_macs=before - saved_by_odd))
    assert not next(layer for layer in result.layers if layer.name == "odd").eligible
    assert result.macs == (before, before - (body - 3 * (9 + 3) * 1024) - (head - 8 * (9 + 4) * 900))


def test_where_no_single_layer_is_to_blame_the_closed_forms_stand():
    result = analyse(people.NeedsOneOfTwo(), IMAGE)
    assert result.macs.before == PLAIN + 8 * 8 * 9 * 1024
    assert result.macs.after == (3 * (9 + 8) + 8 * (9 + 8)) * 1024
    assert not result.after_counted
    assert len(result.notes) == 1
    assert result.notes[0].startswith("with 2 layers replaced the network raises RuntimeError: one of the two; ")
    assert result.notes[0].endswith("the figures after are from formulas")


# --- values ---------------------------------------------------------------------------------------------------------

DEPENDS = "what this network computes depends on values"


@pytest.mark.parametrize(("name", "how"), [("Detects", "nonzero"), ("ByAMask", "a mask")])
def test_as_many_rows_as_are_found(name, how):
    result = analyse(getattr(people, name)(), IMAGE)
    assert result.macs == (3 * 16 * 9 * 1024 + 16 * 1024, (3 * 9 + 3 * 16 + 16) * 1024)
    assert any(note.startswith(f"{DEPENDS} (it looks at some by {how})") for note in result.notes)
    assert not any("disagree" in note or "counted" in note for note in result.notes)


def test_an_early_exit_gives_the_same_each_time():
    command = ("model", f"{PEOPLE}:ExitsEarly", "--input", "1,3,32,32", "--format", "json")
    runs = [run_dsconv(*command) for _ in range(2)]
    assert {run.returncode for run in runs} == {0}
    assert len({run.stdout for run in runs}) == 1
    # One exit or the other.
    early = 3 * 16 * 9 * 1024 + 160
    assert json.loads(runs[0].stdout)["totals"]["macs"]["before"] in {early, early + 16 * 16 * 9 * 1024 + 160}
    assert sum(line.startswith(f"note: {DEPENDS}") for line in runs[0].stderr.splitlines()) == 1


def test_values_that_torch_does_not_see_are_not_blamed_on_a_counter():
    result = analyse(people.ByNumpy(), IMAGE)
    assert result.macs.before == (3 * 16 + 16 * 16) * 9 * 1024
    assert result.macs.after == (3 * (9 + 16) + 16 * (9 + 16)) * 1024
    assert any(note.startswith(DEPENDS) for note in result.notes)


def test_a_number_that_may_have_been_printed():
    notes = analyse(people.Recurrent(), (1, 1, 16, 40)).notes
    assert any(note.startswith(f"perhaps {DEPENDS} (it looks at some by item)") for note in notes)


def test_a_constant_that_is_looked_at_decides_nothing():
    result = analyse(people.LooksAtAConstant(), IMAGE)
    assert result.device == "cpu"
    assert not any("depends on values" in note for note in result.notes)


# --- operators ------------------------------------------------------------------------------------------------------


def test_an_operator_without_a_formula_is_named_and_nothing_is_equal(here):
    result = analyse(people.Codebook(), IMAGE)
    assert result.uncounted == ("aten::_cdist_forward",)
    assert result.macs.before == PLAIN
    assert any("aten::_cdist_forward" in note and "the network itself" in note for note in result.notes)
    out = here(f"{PEOPLE}:Codebook", "--input", "1,3,32,32")[1]
    assert "equal to the formulas" not in out
    assert "on the meta device; without aten::_cdist_forward" in out


def test_quantised_layers_say_so():
    result = analyse(people.Quantised(stem=True), IMAGE)
    assert {layer.name: layer.reason for layer in result.convolutions} == {"stem": None, "conv": "quantised"}


# --- calls ----------------------------------------------------------------------------------------------------------


def test_called_by_keyword_is_called():
    assert [layer.reason for layer in analyse(people.ByKeyword(), IMAGE).convolutions] == [None, None]


def test_a_shared_head_is_replaced_at_once_and_summed_over_its_calls():
    result = analyse(people.SharedHead(), IMAGE)
    head = result.layers[1]
    pixels = 1024 + 256 + 64
    assert (head.calls, head.eligible, head.reason) == (3, True, None)
    assert (head.macs, head.macs_after) == (16 * 16 * 9 * pixels, 16 * (9 + 16) * pixels)
    assert (head.cost.params.ordinary, head.cost.params.separable) == (16 * 16 * 9 + 16, 16 * 9 + 16 * 16 + 16)
    # Bytes: input, weights and output at each call.
    assert head.cost.traffic.ordinary == 4 * (2 * 16 * pixels + 3 * (16 * 16 * 9 + 16))
    assert result.macs.after == torch_macs(separate(people.SharedHead(), IMAGE), torch.zeros(IMAGE))


def test_a_shared_head_in_the_document(valid):
    document = analyse(people.SharedHead(), IMAGE).to_dict()
    head = document["layers"][1]
    assert head["calls"] == 3
    assert head["macs"]["ordinary"] == head["counted"]["macs"] == 16 * 16 * 9 * (1024 + 256 + 64)
    assert head["spec"]["h"] == 32
    valid(document)


def test_a_shared_head_as_layers_for_sweep(here, tmp_path):
    path = tmp_path / "layers.jsonl"
    assert here(f"{PEOPLE}:SharedHead", "--input", "1,3,32,32", "--layers", path, "--quiet")[0] == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["name"], row["h"]) for row in rows] == [("stem", 32), ("head", 32), ("head", 16), ("head", 8)]


# --- modules that torch does not see ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Unlisted", "modules in a plain list, which torch does not register"),
        ("MakesAModule", "modules that torch does not register"),
    ],
)
def test_modules_that_are_not_registered(name, reason):
    result = analyse(getattr(people, name)(), IMAGE)
    assert {layer.name: layer.reason for layer in result.convolutions} == {"": reason, "stem": None}


# --- factories -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "devices"), [("fails", ["meta", "cpu"]), ("fails_on_meta", ["meta", "cpu"])])
def test_a_factory_is_called_once_on_each_device(name, devices):
    from dsconv_cli.model.analysis import analyse_source
    from dsconv_cli.model.inputs import inputs_of
    from dsconv_cli.model.result import Recipe
    from dsconv_cli.model.target import load

    source, _ = load(Recipe(f"{PEOPLE}:{name}", {}))
    import sys

    calls = sys.modules["dsconv_target_people"].calls
    try:
        analyse_source(source, inputs_of(IMAGE), Selection())
    except DsconvError as error:
        assert "no network today" in str(error)  # noqa: PT017
    assert calls == devices


# --- arguments of any kind -------------------------------------------------------------------------------------------

TENSORS = torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 4, 4)


@pytest.mark.parametrize(
    ("name", "inputs", "macs"),
    [
        ("TakesADict", lambda: {"image": torch.zeros(IMAGE), "scale": 2.0}, PLAIN),
        ("TakesADict", lambda: ({"image": torch.zeros(IMAGE), "scale": 2.0},), PLAIN),
        ("TakesADict", {"image": torch.zeros(IMAGE), "scale": 2.0}, PLAIN),
        ("TakesADict", {"image": IMAGE, "scale": 2.0}, PLAIN),
        ("TakesMuch", lambda: {"images": list(TENSORS), "times": 3, "double": True}, 3 * 8 * 9 * (64 + 2 * 16)),
        ("TakesMuch", lambda: (list(TENSORS), 3), 3 * 8 * 9 * (64 + 2 * 16)),
        ("TakesMuch", [list(TENSORS), 3], 3 * 8 * 9 * (64 + 2 * 16)),
        ("ByKeyword", lambda: torch.zeros(IMAGE), (3 * 16 + 16 * 16) * 9 * 1024),
    ],
)
def test_arguments_as_the_network_takes_them(name, inputs, macs):
    model = getattr(people, name)()
    result = analyse(model, inputs)
    assert result.macs.before == macs
    assert result.device == "meta"
    assert len(result.replaced) == len(result.layers)
    assert len(list(separate(model, inputs).parameters())) > len(list(model.parameters()))


def test_a_function_is_called_once_and_its_tensors_are_left_alone():
    calls = []
    image = torch.ones(IMAGE)

    def given():
        calls.append(1)
        return {"image": image, "scale": 2.0}

    class Writes(people.TakesADict):
        def forward(self, batch):
            float(batch["image"].zero_().sum())
            return super().forward(batch)

    assert analyse(Writes(), given).device == "cpu"
    assert len(calls) == 1
    assert image.all()


@pytest.mark.parametrize(("function", "macs"), [("batch", PLAIN), ("picture", PLAIN)])
@pytest.mark.parametrize("options", [(), ("--dtype", "bfloat16")])
def test_command_with_a_function(here, function, macs, options):
    network = "TakesADict" if function == "batch" else "ready"
    code, out, err = here(f"{PEOPLE}:{network}", "--inputs", f"{PEOPLE}:{function}", *options, "--format", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["totals"]["macs"]["before"] == macs
    given = "float64" if function == "picture" else "float32"
    assert document["input"] == [{"name": None, "shape": list(IMAGE), "dtype": options[-1] if options else given}]


@slow
def test_installed_command_times_a_network_on_what_a_function_gives():
    options = ("--inputs", f"{PEOPLE}:batch", "--time", "--budget", "12", "--format", "json")
    result = run_dsconv("model", f"{PEOPLE}:TakesADict", *options)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["totals"]["time"]["before"]["median_s"] > 0


BAD = [
    (
        ("--input", "1,3,32,32"),
        3,
        "raised IndexError: too many indices for tensor of dimension 4 (it was given float32",
    ),
    (
        ("--input", "1,3,32,32"),
        3,
        "dicts, lists and numbers, which are not tensors, come from --inputs MODULE:FUNCTION",
    ),
    (("--inputs", "batch"), 2, "--inputs must be package.module:function or path/to/file.py:function, not 'batch'"),
    (("--inputs", "no/such.py:batch"), 2, "no file 'no/such.py'"),
    (("--inputs", f"{PEOPLE}:batches"), 2, "has no 'batches'; did you mean batch"),
    (("--inputs", f"{PEOPLE}:calls"), 2, "is of type list: not a function that gives inputs"),
    (("--inputs", f"{PEOPLE}:WithMore"), 2, "must be a function that is called with nothing: missing a required"),
    (("--inputs", f"{PEOPLE}:no_inputs"), 3, "people.py:no_inputs raised OSError: the disk is full"),
    (("--inputs", f"{PEOPLE}:in_order"), 2, "was given 2 inputs: too many positional arguments"),
    (("--inputs", f"{PEOPLE}:batch", "--input", "1,3"), 2, "--inputs gives all arguments; leave out --input"),
    (("--inputs", f"{PEOPLE}:batch", "--input-dtype", "int8"), 2, "leave out --input-dtype"),
    ((), 2, "needs inputs, such as --input 1,3,224,224"),
]


@pytest.mark.parametrize(("options", "code", "message"), BAD)
def test_one_clear_line(here, options, code, message):
    got, out, err = here(f"{PEOPLE}:TakesADict", *options)
    assert (got, out) == (code, "")
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message in errors[0]


def test_a_part_that_fails_and_is_caught_is_left():
    """What is computed afterwards is not its work, and no warning of torch's says that anything was silenced."""
    result = analyse(people.CatchesAFailure(), IMAGE)
    assert {layer.name: layer.macs for layer in result.layers} == {"attempt": PLAIN, "rest": PLAIN}
