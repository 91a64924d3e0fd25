"""`--runtime`, `--chain` and int8 on the command line: what they give, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from conftest import slow
from fakes import FakeLaboratory
from test_schema import VALIDATOR

from dsconv_cli import ConvSpec, compare
from dsconv_cli.cli.main import run
from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.timing.jobs import Probe
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.timers import Timers

LAYER = ["compare", "--k", "64", "--c", "32", "--profiler", "none"]
#: A few processes are enough for the shape of a result.
QUICK = ["--budget", "25", "--precision", "0.9"]
INSTALLED = [name for name in ("onnxruntime", "litert", "openvino", "ncnn") if RUNTIMES[name].absent() is None]


TRUE = {"torch": 0.5, "onnxruntime": 2.0, "litert": 3.0, "openvino": 2.5, "ncnn": 1.5, "torch-compile": 0.7}


class Machine(FakeLaboratory):
    """Each runtime with a ratio of its own; one that breaks does so as soon as it is to run something."""

    def __init__(self, broken=(), **more):
        super().__init__(**more)
        self.broken = broken

    def run(self, job, timeout_s):
        runtime = getattr(getattr(job, "conditions", None), "runtime", "torch")
        if runtime in self.broken and not isinstance(job, Probe):
            raise CannotMeasureError("the measuring process ended without an answer (signal 11)")
        self.ratio = TRUE[runtime]
        return super().run(job, timeout_s)


@pytest.fixture
def machine(monkeypatch):
    """The command line in a laboratory where every runtime is installed."""

    def use(**more):
        laboratory = Machine(**more)
        monkeypatch.setattr("dsconv_cli.timing.timers.ProcessLaboratory", lambda: laboratory)
        monkeypatch.setattr("dsconv_cli.timing.timer.time.monotonic", laboratory.clock)
        return laboratory

    monkeypatch.setattr("dsconv_cli.timing.runtimes.protocol.installed", lambda _: True)
    return use


def printed(capfd, *arguments):
    code = run([*LAYER, *arguments])
    out, err = capfd.readouterr()
    return code, out, err


def test_each_runtime_has_the_object_that_time_has(machine, capfd):
    machine()
    code, out, _ = printed(capfd, "--runtime", "onnxruntime,litert", "--format", "json")
    document = json.loads(out)
    VALIDATOR.validate(document)
    assert code == 0
    assert list(document["runtimes"]) == ["onnxruntime", "litert"]
    assert document["time"] == document["runtimes"]["onnxruntime"]
    assert document["runtimes"]["litert"]["runtime"]["name"] == "litert"
    assert document["runtimes"]["litert"]["speedup"]["value"] == pytest.approx(3, rel=0.05)
    assert document["runtimes"]["litert"]["layout"] == "channels last"


def test_time_alone_asks_for_no_runtime(machine, capfd):
    machine()
    _, out, _ = printed(capfd, "--time", "--format", "json")
    document = json.loads(out)
    VALIDATOR.validate(document)
    assert document["runtimes"] is None
    assert document["time"]["runtime"]["name"] == "torch"
    _, out, _ = printed(capfd, "--format", "json")
    assert json.loads(out)["runtimes"] is None


def test_keys_and_gates_reach_into_a_runtime(machine, capfd):
    machine()
    _, out, _ = printed(capfd, "--runtime", "torch,litert", "--get", "runtimes.litert.speedup")
    assert float(out) == pytest.approx(3, rel=0.05)
    code, _, err = printed(capfd, "--runtime", "torch,litert", "--fail-under", "runtimes.torch.speedup=1")
    assert code == 1
    assert "runtimes.torch.speedup.value (its lower bound) is 0." in err
    assert printed(capfd, "--runtime", "torch,litert", "--fail-under", "runtimes.litert.speedup=2")[0] == 0


def test_csv_has_columns_for_the_runtimes_that_were_asked_for(machine, capfd):
    machine()
    _, out, _ = printed(capfd, "--runtime", "litert", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["runtimes.litert.speedup.value"] == row["time.speedup.value"] != ""
    assert not [name for name in row if name.startswith("runtimes.") and not name.startswith("runtimes.litert.")]
    _, out, _ = printed(capfd, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert not [name for name in row if name.startswith("runtimes")]


def test_a_runtime_that_breaks_costs_one_line_and_its_own_figures(machine, capfd):
    machine(broken=["litert"])
    code, out, err = printed(capfd, "--runtime", "onnxruntime,litert,ncnn", "--format", "json")
    document = json.loads(out)
    VALIDATOR.validate(document)
    assert code == 3
    assert [name for name, one in document["runtimes"].items() if one is None] == ["litert"]
    assert err == "error: litert: the measuring process ended without an answer (signal 11)\n"
    code, out, _ = printed(capfd, "--runtime", "onnxruntime,litert", "--get", "runtimes.onnxruntime.speedup")
    assert (code, float(out)) == (3, pytest.approx(2, rel=0.05))
    code, out, _ = printed(capfd, "--runtime", "onnxruntime,litert", "--get", "runtimes.litert.speedup")
    assert (code, out) == (3, "")
    gate = ["--fail-under", "runtimes.litert.speedup=1"]
    assert printed(capfd, "--runtime", "onnxruntime,litert", *gate)[0] == 3
    assert printed(capfd, "--runtime", "litert,onnxruntime", "--get", "time.speedup")[:2] == (3, "")


def test_what_draws_the_first_of_several_is_not_written_where_that_breaks(machine, capfd, tmp_path):
    pytest.importorskip("matplotlib")
    machine(broken=["litert"])
    pictures = [tmp_path / "roofline.svg", tmp_path / "runtimes.svg"]
    outputs = [word for picture in pictures for word in ("--output", str(picture))]
    assert printed(capfd, "--runtime", "litert,torch", *outputs)[0] == 3
    assert [picture.exists() for picture in pictures] == [False, True]


def test_where_all_break_the_first_is_told(machine, capfd):
    machine(broken=["litert", "ncnn"])
    assert printed(capfd, "--runtime", "litert,ncnn") == (
        3, "", "error: litert: the measuring process ended without an answer (signal 11)\n",
    )  # fmt: skip


def test_all_are_those_that_can_time_it_here(machine, capfd, monkeypatch):
    machine()
    monkeypatch.setattr("dsconv_cli.timing.runtimes.protocol.installed", lambda package: package != "openvino")
    code, out, err = printed(capfd, "--runtime", "all", "--dtype", "int8", "--format", "json")
    assert (code, list(json.loads(out)["runtimes"])) == (0, ["onnxruntime", "litert", "ncnn"])
    notes = err.splitlines()
    assert len(notes) == 3
    assert notes[0].startswith("note: left out: torch has no int8 convolutions here")
    assert notes[2].endswith("pip install 'dsconv-cli[openvino]'")


def test_the_first_of_several_is_time_whatever_the_order(machine, capfd):
    machine()
    _, out, _ = printed(capfd, "--runtime", "ncnn,torch,ncnn", "--format", "json")
    document = json.loads(out)
    assert list(document["runtimes"]) == ["ncnn", "torch"]
    assert document["time"]["runtime"]["name"] == "ncnn"


def test_the_layout_is_chosen_where_there_is_a_choice(machine, capfd):
    machine()
    _, out, _ = printed(capfd, "--runtime", "torch,onnxruntime", "--channels-last", "--format", "json")
    layouts = {name: one["layout"] for name, one in json.loads(out)["runtimes"].items()}
    assert layouts == {"torch": "channels last", "onnxruntime": "channels first"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--runtime", "tflite"], "--runtime must be one of torch, torch-compile, onnxruntime, litert, openvino, ncnn, all"),
        (["--runtime", "litert,"], "--runtime must be one of"),
        (["--runtime", "litert", "--device", "cuda"], "litert is timed on cpu, not on cuda"),
        (["--runtime", "litert", "--channels-last"], "--channels-last works only with torch, not with litert"),
        (["--dtype", "int8", "--time"], "torch has no int8 convolutions here"),
        (["--runtime", "ncnn", "--dtype", "bfloat16"], "ncnn has no bfloat16 convolutions here, only float32, int8"),
        (["--chain", "2"], "--chain is about measured time: add --time"),
        (["--chain", "0", "--time"], "--chain must be a positive integer, not '0'"),
        (["--chain", "2", "--time"], "2 layers in a row need an output like the input, and this one makes 1×64×56×56"),
        (["--time", "--output", "runtimes.svg"], "a picture of runtimes (runtimes.svg) needs --runtime"),
        (["--time", "--get", "runtimes.ncnn.speedup"], "runtimes.ncnn.speedup is not measured in this run; it needs --runtime ncnn"),
        (["--runtime", "ncnn", "--get", "runtimes.ncn.speedup"], "unknown key 'runtimes.ncn.speedup'; did you mean runtimes.ncnn"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(arguments, words, machine, capfd):
    laboratory = machine()
    code, out, err = printed(capfd, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {words}")
    assert not laboratory.jobs, "nothing was measured"


def test_a_runtime_that_is_not_installed_names_its_extra(machine, capfd, monkeypatch):
    machine()
    monkeypatch.setattr("dsconv_cli.timing.runtimes.protocol.installed", lambda package: package != "onnx")
    code, _, err = printed(capfd, "--runtime", "onnxruntime")
    assert code == 2
    assert err.startswith("error: onnx is not installed for ")
    assert err.endswith("pip install 'dsconv-cli[onnxruntime]'\n")


def test_the_library_times_side_by_side(machine):
    machine()
    one = compare(ConvSpec(64, 32), profiler="none", runtimes=("litert", "torch"))
    assert one.get("runtimes.litert.speedup") == one.get("time.speedup") == pytest.approx(3, rel=0.05)
    VALIDATOR.validate(json.loads(json.dumps(one.to_dict())))


@pytest.mark.skipif(len(INSTALLED) < 1, reason="no runtime but torch is installed")
@pytest.mark.parametrize("dtype", ["float32", pytest.param("int8", marks=slow)])
def test_real_runtimes(dsconv, dtype):
    names = INSTALLED[:2]
    arguments = [*LAYER, "--h", "14", "--w", "14", "--runtime", ",".join(names), "--dtype", dtype, *QUICK]
    result = dsconv(*arguments, "--format", "json")
    document = json.loads(result.stdout)
    VALIDATOR.validate(document)
    assert (result.returncode, list(document["runtimes"])) == (0, names)
    for name, one in document["runtimes"].items():
        assert one["runtime"]["version"] == RUNTIMES[name].version()
        assert one["runtime"]["build_s"] > 0
        assert one["fastest"]["separable_s"] > 0
        # 1.8·10^7 and 2.6·10^6 multiplications: no runtime here is ten times off their ratio, which is 7.
        assert 0.7 < one["speedup"]["value"] < 70


@slow
@pytest.mark.skipif(len(INSTALLED) < 1, reason="no runtime but torch is installed")
def test_a_real_chain(dsconv):
    layer = ["compare", "--k", "16", "--c", "16", "--h", "28", "--w", "28", "--profiler", "none"]
    result = dsconv(
        *layer,
        "--runtime",
        INSTALLED[0],
        "--chain",
        "3",
        *QUICK,
        "--get",
        "runtimes." + INSTALLED[0] + ".runtime.chain",
    )
    assert result.stdout == "3\n"


def test_settings_follow_a_runtime():
    settings = TimingSettings(channels_last=True, threads=2)
    assert settings.on("litert") == TimingSettings(threads=2, runtime="litert")
    assert settings.on("torch-compile") == TimingSettings(channels_last=True, threads=2, runtime="torch-compile")


def test_leaving_the_timers_ends_the_processes():
    laboratory = Machine()
    with Timers(TimingSettings(), ["torch"], laboratory=laboratory):
        pass
    assert laboratory.closed


SWEEP = ["sweep", "--k", "8,16", "--c", "8", "--profiler", "none", "--runtime", "torch,litert"]


def swept(capfd, *arguments):
    code = run([*SWEEP, *arguments])
    out, err = capfd.readouterr()
    return code, out, err


def test_a_sweep_has_columns_for_each_runtime(machine, capfd):
    machine()
    _, out, _ = swept(capfd, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [float(row["runtimes.litert.speedup.value"]) for row in rows] == pytest.approx([3, 3], rel=0.05)
    assert [row["time.speedup.value"] == row["runtimes.torch.speedup.value"] for row in rows] == [True, True]
    assert not [name for name in rows[0] if name.startswith("runtimes.ncnn")]
    _, out, _ = swept(capfd, "--format", "json")
    for line in out.splitlines():
        document = json.loads(line)
        VALIDATOR.validate(document)
        assert list(document["runtimes"]) == ["torch", "litert"]
    _, out, _ = swept(capfd)
    assert [line for line in out.splitlines() if line.split()[-2:] == ["torch", "litert"]]
    _, out, _ = swept(capfd, "--summary")
    assert re.search(r"runtimes.litert.speedup +(2\.9|3\.)", out)


def test_a_sweep_is_asked_about_a_runtime(machine, capfd):
    machine()
    wishes = [
        "--where",
        "runtimes.litert.speedup > 2",
        "--sort",
        "runtimes.litert.speedup",
        "--columns",
        "k,runtimes.litert.speedup",
    ]
    code, out, _ = swept(capfd, *wishes, "--format", "csv")
    assert (code, len(out.splitlines())) == (0, 3)
    assert swept(capfd, "--where", "runtimes.litert.speedup < 2", "--format", "csv")[1].count("\n") == 1
    assert swept(capfd, "--fail-under", "runtimes.torch.speedup=1", "--quiet")[0] == 1
    code, out, err = swept(capfd, "--get", "runtimes.ncnn.speedup")
    assert (code, out) == (2, "")
    assert "runtimes.ncnn.speedup.value is not measured in this run; it needs --runtime ncnn" in err


def test_a_sweep_goes_on_on_the_same_runtimes(machine, capfd, tmp_path):
    machine()
    lines = tmp_path / "a.jsonl"
    resumed = ["--resume", "--output", str(lines)]
    assert swept(capfd, *resumed)[0] == 0
    code, out, err = swept(capfd, *resumed, "--get", "runtimes.litert.speedup")
    assert "2 rows were there, 0 were added" in err
    assert [float(value) for value in out.split()] == pytest.approx([3, 3], rel=0.05)
    assert code == 0
    assert run(["sweep", "--k", "8", "--c", "8", "--profiler", "none", "--runtime", "ncnn", *resumed]) == 2
    assert "was made with --runtime torch,litert, this run has ncnn" in capfd.readouterr().err


def test_a_sweep_draws_a_line_for_each_runtime(machine, capfd, tmp_path):
    pytest.importorskip("matplotlib")
    machine()
    picture = tmp_path / "a.svg"
    assert swept(capfd, "--plot", str(picture))[0] == 0
    words = " ".join(ET.parse(picture).getroot().itertext())
    assert "PyTorch" in words
    assert "LiteRT" in words
    assert "Bars: 95% confidence intervals." in words


def test_a_runtime_that_breaks_in_a_sweep_costs_its_own_cells(machine, capfd):
    machine(broken=["litert"])
    code, out, err = swept(capfd, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 3
    assert [row["runtimes.litert.verdict"] for row in rows] == ["", ""]
    assert all(float(row["runtimes.torch.speedup.value"]) > 0 for row in rows)
    assert (
        "error: k=8 c=8 r=3 s=3 h=56 w=56: litert: the measuring process ended without an answer (signal 11)\n" in err
    )


def test_a_model_is_asked_about_a_runtime(machine, capfd):
    laboratory = machine()
    laboratory.job_s = 0
    network = ["model", str(Path(__file__).parent / "networks" / "odd.py") + ":small", "--input", "1,3,8,8"]
    assert run([*network, "--get", "totals.runtimes.litert.speedup"]) == 2
    assert "it needs --runtime litert" in capfd.readouterr().err
    assert run([*network, "--runtime", "tflite"]) == 2
