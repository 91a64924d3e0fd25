"""`dsconv model` as a user runs it: targets, formats, streams, exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
import torch
from conftest import run_dsconv

ODD = str(Path(__file__).parent / "networks" / "odd.py")
SMALL = (f"{ODD}:small", "--input", "2,3,8,8")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A `.pt2` file, with a layer of each kind that export makes something else of."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, stride=2, padding=1), torch.nn.BatchNorm2d(16))
            self.same = torch.nn.Conv2d(16, 16, (5, 3), padding="same")
            self.twice = torch.nn.Conv2d(16, 16, 3, padding=1)
            self.reflect = torch.nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect")
            self.up = torch.nn.ConvTranspose2d(16, 4, 2, stride=2)
            self.head = torch.nn.Linear(4, 10)

        def forward(self, x):
            x = self.reflect(self.twice(self.twice(self.same(self.stem(x)))))
            return self.head(self.up(x).mean((2, 3)))

    exported = torch.export.export(Net().eval(), (torch.randn(1, 3, 16, 16),))
    path = tmp_path_factory.mktemp("export") / "net.pt2"
    torch.export.save(exported, path)
    return path


# --- the installed command, in a process of its own ------------------------------------------------------------


def test_installed_command_table():
    result = run_dsconv("model", *SMALL)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    # 101,376 against 27·128 + 24·128 + 72·128 + 64·128 MACs; 2·(27·8 + 8) + … parameters: see `small`.
    assert lines[0].startswith("4.24× fewer MACs (101 k → 23.9 k), ")
    assert "2 of 2 convolutions replaced." in " ".join(lines[:2])
    title = next(number for number, line in enumerate(lines) if line.endswith("odd.py:small (Sequential)"))
    assert lines[title + 1] == "2×3×8×8 float32 → 2×8×8×8"
    assert "on the meta device; equal to the formulas" in lines[title + 2]
    assert any(line.split()[:2] == ["MACs", "101,376"] for line in lines)
    assert "…" not in result.stdout
    assert result.stderr == "a file may print while it is loaded\n"


def test_installed_command_json_is_valid_and_alone_on_stdout(valid):
    result = run_dsconv("model", f"{ODD}:Everything", "--input", "2,3,8,8", "--format", "json")
    assert result.returncode == 0
    valid(json.loads(result.stdout))


def test_installed_command_package_target_in_the_current_folder(tmp_path):
    (tmp_path / "mynet.py").write_text("import torch\nnet = torch.nn.Conv2d(32, 64, 3, padding=1, bias=False)\n")
    result = run_dsconv("model", "mynet:net", "--input", "1,32,56,56", "--get", "totals.macs.ratio", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "7.890410958904109\n", "")


def test_installed_command_error_leaves_stdout_empty():
    result = run_dsconv("model", f"{ODD}:Raises", "--input", "1,3,8,8", "--format", "json")
    assert (result.returncode, result.stdout) == (3, "")
    error = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("form", ["markdown", "csv"])
def test_installed_command_on_a_stream_that_is_ascii(form):
    result = run_dsconv("model", *SMALL, "--arg", "width=8", "--format", form, env={"PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0
    assert result.stdout.isascii()
    assert "Conv2d" in result.stdout


def test_help_says_that_code_is_run_and_needs_no_torch(python):
    import subprocess

    code = (
        "import sys; from dsconv_cli.cli import run; run(['model', '--help']); "
        "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "runs it" in said
    assert "pickle" in said


# --- output ----------------------------------------------------------------------------------------------------


def test_csv_has_a_row_for_every_layer(here):
    code, out, _ = here(*SMALL, "--format", "csv", "--depth", "1")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(row["name"], row["eligible"], row["spec.k"], row["macs.ordinary"]) for row in rows] == [
        ("0", "true", "8", "27648"),
        ("2", "true", "8", "73728"),
    ]


def test_markdown(here):
    code, out, _ = here(*SMALL, "--format", "markdown")
    assert code == 0
    assert "| MACs | 101,376 | 23,936 | 4.24× |" in out
    assert "| `0` | Conv2d | 8×3×3×3 | 224 | 27,648 | 27.27% | 6,528 | 4.24× | yes |" in out


def test_github_annotates_a_gate_that_fails(here):
    code, out, err = here(*SMALL, "--format", "github", "--fail-under", "totals.macs.ratio=8")
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("::")]
    assert re.match(
        r"::error file=\S*odd\.py,line=\d+,title=dsconv%3A totals\.macs\.ratio::totals\.macs\.ratio is 4\.24", line
    )
    assert "gate failed" not in err


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (("--fail-under", "totals.macs.ratio=4"), 0),
        (("--fail-over", "totals.params.after=1e9"), 0),
        (("--fail-over", "totals.params.after=100"), 1),
    ],
)
def test_gates(here, gate, code):
    assert here(*SMALL, *gate)[0] == code


def test_files(here, tmp_path):
    names = ("all.json", "all.csv", "all.md", "all.svg", "all.txt", "all.jsonl")
    outputs = [part for name in names for part in ("--output", tmp_path / name)]
    code, out, _ = here(*SMALL, *outputs, "--get", "totals.layers.replaced")
    assert (code, out) == (0, "2\n")
    assert all((tmp_path / name).stat().st_size > 200 for name in names)
    assert "101,376" in (tmp_path / "all.txt").read_text(encoding="utf-8")
    assert "dsconv" in (tmp_path / "all.svg").read_text(encoding="utf-8")


def test_layers_are_what_sweep_reads(here, tmp_path):
    paths = [tmp_path / "layers.csv", tmp_path / "layers.jsonl"]
    for path in paths:
        assert here(f"{ODD}:Everything", "--input", "2,3,8,8", "--layers", path)[0] == 0
    rows = list(csv.DictReader(io.StringIO(paths[0].read_text(encoding="utf-8"))))
    same = next(row for row in rows if row["name"] == "same")
    assert (same["k"], same["r"], same["s"], same["dilation"], same["padding"], same["padding_end"]) == (
        ("8", "4", "2", "1,2", "1,1", "2,1")
    )
    assert (same["ordinary_bias"], same["depthwise_bias"], same["pointwise_bias"]) == ("true", "false", "true")
    assert [json.loads(line)["name"] for line in paths[1].read_text().splitlines()] == [row["name"] for row in rows]


@pytest.mark.parametrize("option", ["--layers", "--output"])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_sweep_reads_them(here, tmp_path, option, ending):
    from dsconv_cli.sweep.files import LayerFile

    path = tmp_path / f"layers.{ending}"
    assert here(f"{ODD}:Everything", "--input", "2,3,8,8", option, path)[0] == 0
    layers = LayerFile(str(path))
    same = next(record.arguments for record in layers.records() if record.arguments["r"] == 4)
    assert layers.count == 7
    assert (same["dilation"], same["padding_end"], tuple(same["bias"])) == ((1, 2), (2, 1), (True, False, True))


def test_plot(here, tmp_path):
    pytest.importorskip("matplotlib")
    names = ("a.svg", "b.png", "c.svg", "d.pdf")
    a, b, c, d = (tmp_path / name for name in names)
    code, _, err = here(*SMALL, "--plot", a, "--output", b, "--output", f"plot:{c}", "--output", d)
    assert code == 0, err
    assert [path.read_bytes()[:4] for path in (a, b, c, d)] == [b"<?xm", b"\x89PNG", b"<?xm", b"%PDF"]


def test_plot_shows_every_mac(program):
    pytest.importorskip("matplotlib")
    from dsconv_cli import analyse
    from dsconv_cli.report.pictures.network import figure

    result = analyse(torch.export.load(program), (1, 3, 16, 16))
    chart = figure(result)
    axes = chart.axes[0]
    drawn = sum(patch.get_width() for patch in axes.patches)
    assert drawn * 1000 == pytest.approx(result.macs.before)
    assert axes.get_xlabel() == "k MACs"
    assert [text.get_text() for text in chart.legends[0].get_texts()] == [
        "unchanged", "depthwise half", "pointwise half", "saved",
    ]  # fmt: skip


def test_the_plot_is_the_same_for_the_same_network(here, tmp_path):
    pytest.importorskip("matplotlib")
    for kind in ("svg", "png", "pdf"):
        paths = [tmp_path / f"{name}.{kind}" for name in "ab"]
        for path in paths:
            assert here(*SMALL, "--plot", path)[0] == 0
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_nothing_lies_over_the_bars_and_none_touches_the_frame():
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from dsconv_cli import analyse
    from dsconv_cli.report.pictures.network import figure

    net = torch.nn.Sequential(*(torch.nn.Conv2d(8, 8, 3, padding=1) for _ in range(6)))
    chart = figure(analyse(net, (1, 8, 8, 8)))
    FigureCanvasAgg(chart).draw()
    (axes,), (legend,) = chart.axes, chart.legends
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())
    longest = max(patch.get_x() + patch.get_width() for patch in axes.patches)
    assert longest < 0.95 * axes.get_xlim()[1]


#: Names that a module can have and that mean something elsewhere.
HOSTILE = ("=1+1", "a|b`c", "<img>*x*", "two\nlines\x1b[31m", "$x^$y$", "漢字", "@user")


def test_names_of_layers_stay_names(here, tmp_path):
    pytest.importorskip("matplotlib")
    names = ", ".join(map(repr, HOSTILE))
    (tmp_path / "net.py").write_text(
        "import torch\ndef net():\n    whole = torch.nn.Sequential()\n"
        f"    for name in ({names}):\n        whole.add_module(name, torch.nn.Conv2d(8, 8, 3))\n    return whole\n"
    )
    files = [tmp_path / name for name in ("a.md", "a.csv", "a.json", "a.svg", "a.png", "b.svg")]
    outputs = [part for path in files[:-1] for part in ("--output", path)]
    code, out, err = here(f"{tmp_path}/net.py:net", "--input", "1,8,32,32", *outputs, "--plot", files[-1])
    assert code == 0, err
    assert len([line for line in out.splitlines() if "Conv2d" in line]) == len(HOSTILE)
    assert "\x1b" not in out + "".join(path.read_text("utf-8") for path in files if path.suffix != ".png")
    rows = [line for line in files[0].read_text("utf-8").splitlines() if "Conv2d" in line]
    assert [row.split(" | ")[0] for row in rows[:4]] == [
        "| `=1+1`", "| `` a\\|b`c ``", "| `<img>*x*`", r"| `two\nlines\x1b[31m`",
    ]  # fmt: skip
    cells = [row["name"] for row in csv.DictReader(io.StringIO(files[1].read_text("utf-8")))]
    assert cells[0] == "'=1+1"
    assert cells[-1] == "'@user"
    assert [layer["name"] for layer in json.loads(files[2].read_text("utf-8"))["layers"]] == list(HOSTILE)


def test_depth_sums_up(here):
    _, out, _ = here("pytorchcv.models.resnet:resnet10", "--input", "1,3,224,224", "--depth", "1")
    lines = out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("layer "))
    assert [line.split()[0] for line in lines[start + 2 : start + 4]] == ["features", "output"]
    assert "--depth N goes deeper" in out


def test_top_lists_the_largest(here):
    _, out, _ = here(*SMALL, "--top", "1")
    lines = out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("layer "))
    assert lines[start + 2].split()[0] == "2"
    assert "1 smaller layer" in out


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_nothing_is_cut_off(width):
    from model_checks import ConvMobileNet

    from dsconv_cli import analyse
    from dsconv_cli.report.network import page
    from dsconv_cli.report.page import View
    from dsconv_cli.report.table import render

    with torch.device("meta"):
        network = torch.nn.ModuleDict({"a_rather_long_name_of_a_backbone": ConvMobileNet()})[
            "a_rather_long_name_of_a_backbone"
        ]
    result = analyse(network, (1, 3, 224, 224))
    out = render(page(result), View(width=width))
    assert all(len(line) <= width for line in out.splitlines())
    assert "…" not in out
    assert "4,867,293,184" in out
    ascii_out = render(page(result), View(width=width, unicode=False))
    assert ascii_out.isascii()


def test_five_hundred_layers_fit_a_screen():
    from dsconv_cli import analyse
    from dsconv_cli.model.tree import SCREEN_LINES, branches

    conv = [torch.nn.Conv2d(8, 8, 3, padding=1, device="meta") for _ in range(500)]
    stages = [torch.nn.Sequential(*conv[start : start + 50]) for start in range(0, 500, 50)]
    result = analyse(torch.nn.Sequential(*stages), (1, 8, 8, 8))
    assert len(branches(result, None)) <= SCREEN_LINES
    assert len(branches(result, 9)) == 510


# --- targets ---------------------------------------------------------------------------------------------------


def test_arguments(here):
    assert here(*SMALL, "--arg", "width=16", "--arg", "names=('b',)", "--get", "totals.params.before")[1] == "2768\n"


def test_dtype(here):
    document = json.loads(here(*SMALL, "--dtype", "bfloat16", "--format", "json")[1])
    assert {layer["spec"]["dtype"] for layer in document["layers"]} == {"bfloat16"}
    assert document["input"][0]["dtype"] == "bfloat16"
    assert here(*SMALL, "--dtype", "int8")[0] == 2


def test_ready_module(here):
    assert here(f"{ODD}:ready", "--input", "1,3,8,8", "--get", "model.type")[1] == "Sequential\n"


def test_two_inputs_by_name_and_with_types(here):
    for inputs in (("--input", "1,3,8,8", "--input", "4"), ("--input", "words=4", "--input", "image=1,3,8,8")):
        dtypes = ("float32", "int64") if "=" not in inputs[1] else ("int64", "float32")
        options = [part for dtype in dtypes for part in ("--input-dtype", dtype)]
        code, out, err = here(f"{ODD}:TwoInputs", *inputs, *options, "--get", "totals.layers.replaced")
        assert (code, out) == (0, "1\n"), err


def test_exported_program(here, program, valid):
    code, out, err = here(program, "--format", "json")
    assert code == 0, err
    document = json.loads(out)
    valid(document)
    assert document["input"] == [{"name": None, "shape": [1, 3, 16, 16], "dtype": "float32"}]
    assert {layer["name"]: layer["reason"] for layer in document["layers"] if layer["operator"] == "convolution"} == {
        "stem.0": None,
        "same": None,
        "twice": None,
        "reflect": "exported as more than a convolution",
        "up": "transposed",
    }


def test_exported_program_replaced_runs(program):
    from dsconv_cli import separate

    model = separate(torch.export.load(program), (1, 3, 16, 16))
    assert isinstance(model.same, torch.nn.Sequential)
    assert isinstance(model.twice, torch.nn.Sequential)
    assert model(torch.randn(1, 3, 16, 16)).shape == (1, 10)


BAD = [
    (("small",), 2, "TARGET must be package.module:factory"),
    (("no_such_package:net", "--input", "1"), 2, "no module named 'no_such_package'"),
    (("no/such/file.py:net", "--input", "1"), 2, "no file 'no/such/file.py'"),
    (("no/such.pt2",), 2, "no file 'no/such.pt2'"),
    (("a" * 300 + ".py", "--input", "1"), 2, "aaa.py: file name too long"),
    (("a" * 300 + ".onnx", "--input", "1"), 2, "aaa.onnx: file name too long"),
    ((f"{ODD}:smal", "--input", "1,3,8,8"), 2, "has no 'smal'; did you mean small?"),
    ((f"{ODD}:number", "--input", "1"), 2, "is of type int: neither a torch.nn.Module nor"),
    ((f"{ODD}:text", "--input", "1"), 2, "gave a str, not a torch.nn.Module"),
    ((f"{ODD}:raises", "--input", "1"), 3, "raised RuntimeError: no network today"),
    ((f"{ODD}:small",), 2, "needs inputs, such as --input 1,3,224,224"),
    ((f"{ODD}:small", "--input", "1,3,x,8"), 2, "each size must be a positive integer"),
    ((f"{ODD}:small", "--input", "x=1,3,8,8", "--input", "x=1,3,9,9"), 2, "--input x is given twice"),
    ((f"{ODD}:small", "--input", "1,3,8,8", "--input-dtype", "float7"), 2, "--input-dtype must be one of float32"),
    ((f"{ODD}:small", "--input", "1,3,8,8", "--arg", "depth=3"), 2, "takes (width=8, *, names=('a',))"),
    ((f"{ODD}:small", "--input", "1,3,8,8", "--arg", "depth"), 2, "--arg takes NAME=VALUE"),
    ((f"{ODD}:ready", "--input", "1,3,8,8", "--arg", "width=3"), 2, "is a network already and takes no arguments"),
    ((f"{ODD}:Raises", "--input", "1,3,8,8"), 3, "forward pass raised ValueError: this network does not work ("),
    ((f"{ODD}:small", "--input", "1,4,8,8"), 3, "to have 3 channels, but got 4 channels"),
    ((f"{ODD}:small", "--input", "1,3,8,8", "--input", "1"), 2, "was given 2 inputs"),
    ((f"{ODD}:NoConvolution", "--input", "1,8"), 2, "has no convolution"),
    ((*SMALL, "--keep", "stem*"), 2, "--keep 'stem*' matches no convolution; they are 0, 2"),
    ((*SMALL, "--min-ratio", "nan"), 2, "--min-ratio must be a number"),
    ((*SMALL, "--target-macs", "5Q"), 2, "--target-macs must be a count"),
    ((*SMALL, "--target-macs", "5"), 3, "--target-macs 5 cannot be reached"),
    ((*SMALL, "--depth", "0"), 2, "--depth must be a positive integer"),
    ((*SMALL, "--depth", "1", "--top", "1"), 2, "give one of them"),
    ((*SMALL, "--get", "totals.mac"), 2, "unknown key 'totals.mac'; did you mean totals.mac"),
    ((*SMALL, "--get", "totals.time.speedup"), 2, "needs --time"),
    ((*SMALL, "--fail-under", "totals.macs.ratio=inf"), 2, "not a finite number"),
    ((*SMALL, "--output", "/no/such/folder/x.json"), 2, "cannot write"),
    ((*SMALL, "--layers", "layers.xls"), 2, "its ending must be one of .csv .jsonl"),
    ((*SMALL, "--plot", "plot.bmp"), 2, "its ending must be one of .svg .png .pdf"),
    ((*SMALL, "--output", "x.bmp"), 2, "its ending names no format; use one of .txt .json"),
    ((*SMALL, "--output", "x.csv", "--layers", "x.csv"), 2, "x.csv is to be written twice"),
    ((*SMALL, "--format", "yaml"), 2, "--format must be one of table, json"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD)
def test_one_clear_line(here, arguments, code, message):
    got, out, err = here(*arguments)
    assert (got, out) == (code, "")
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message in errors[0]


@pytest.mark.parametrize(
    ("target", "note"),
    [
        ("GivesDict", "note: the network returns a dict; the shape of its one tensor is checked"),
        ("needs_values", "note: built on the CPU, because it cannot be built on the meta device: RuntimeError"),
    ],
)
def test_one_clear_note(here, target, note):
    code, out, err = here(f"{ODD}:{target}", "--input", "1,3,8,8")
    assert code == 0
    assert out
    assert sum(line.startswith("note:") for line in err.splitlines()) == 1
    assert note in err
    assert "note:" not in here(f"{ODD}:{target}", "--input", "1,3,8,8", "--quiet")[2]


def test_the_cpu_is_named_in_the_output_and_in_short_notes(here):
    _, out, err = here(f"{ODD}:LooksAtValues", "--input", "1,3,8,8")
    assert "counted by torch" in out
    assert "on the CPU;" in out
    notes = [line for line in err.splitlines() if line.startswith("note:")]
    assert notes[0].startswith("note: run on the CPU, because it does not run on the meta device: RuntimeError")
    assert "depends on values" in notes[1]
    assert len(notes) == 2
    assert all(len(note) < 200 for note in notes)
