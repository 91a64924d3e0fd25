"""`dsconv sweep` as it is used: in pipes, with files, gates and every format."""

from __future__ import annotations

import csv
import io
import json
import os
import statistics
import subprocess
import sys

import pytest
from conftest import SCRIPT, clean_environment

from dsconv_cli.cli import completion, run, sweep_wishes
from dsconv_cli.comparison.keys import keys_of
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.sweep import parallel
from dsconv_cli.sweep.keys import resolve_many

GRID = ("--k", "16:64:*2", "--c", "8,24", "--r", "3,5", "--zip", "s=r", "--profiler", "none")
CLOSED = ("--k", "64", "--c", "32", "--profiler", "none")


@pytest.fixture
def sweep(dsconv):
    def sweep(*arguments, code=0, **more):
        done = dsconv("sweep", *arguments, **more)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return sweep


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def errors(done):
    return [line for line in done.stderr.splitlines() if line.startswith("error:")]


def test_json_lines_are_what_compare_prints(sweep, dsconv, valid):
    documents = [json.loads(line) for line in sweep(*GRID, "--format", "json").stdout.splitlines()]
    assert len(documents) == 12
    for one in documents:
        valid(one)
    spec = documents[7]["spec"]
    assert (spec["k"], spec["c"], spec["r"], spec["s"]) == (32, 24, 5, 5)
    alone = dsconv(
        "compare", "--k", "32", "--c", "24", "--r", "5", "--s", "5", "--profiler", "none", "--format", "json"
    )
    assert json.loads(alone.stdout) == documents[7]


def test_csv_has_the_keys_of_compare(sweep, dsconv):
    text = sweep(*GRID, "--format", "csv").stdout
    header, _, _, third = text.splitlines()[:4]
    alone = dsconv("compare", "--k", "16", "--c", "24", "--profiler", "none", "--format", "csv").stdout.splitlines()
    assert [header, third] == alone
    assert len(rows_of(text)) == 12


def test_the_profiler_counts_every_layer(sweep):
    done = sweep("--k", "8,16", "--c", "4", "--profiler", "both", "--format", "csv")
    assert [row["measured.agrees"] for row in rows_of(done.stdout)] == ["true", "true"]


def test_the_number_of_layers_is_told_first(sweep):
    assert sweep(*GRID).stderr.splitlines()[0] == "note: 12 layers: 3 values of k × 2 values of c × 2 values of r, s=r"
    assert sweep(*GRID, "--quiet").stderr == ""


def test_the_table_shows_what_differs(sweep):
    lines = sweep(*GRID).stdout.splitlines()
    assert lines[0].startswith("12 layers: ")
    assert lines[1] == "h=56 w=56; from formulas, not measured"
    assert lines[3].split() == ["k", "c", "r", "s", "params", "MACs", "traffic", "activ.", "R×S"]
    assert lines[5].split() == ["16", "8", "3", "3", "5.76×", "5.76×", "0.608×", "1.00×", "9×"]
    assert len([line for line in lines if line.endswith("×")]) == 12


def test_the_table_without_unicode(sweep):
    text = sweep(*GRID, env={"LANG": "C", "PYTHONIOENCODING": "ascii"}).stdout
    assert text.isascii()
    assert "5.76x" in text


def test_markdown(sweep):
    lines = sweep(*GRID, "--format", "markdown").stdout.splitlines()
    assert lines[3] == "| k | c | r | s | params | MACs | traffic | activ. | R×S |"
    assert lines[5] == "| 16 | 8 | 3 | 3 | 5.76× | 5.76× | 0.608× | 1.00× | 9× |"


def test_bare_values(sweep):
    assert sweep(*GRID, "--get", "params.separable").stdout.split()[:3] == ["200", "328", "600"]


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        ("k,macs.ratio", "spec.k,macs.ratio"),
        (
            "spec.stride,params",
            "spec.stride,params.ordinary,params.depthwise,params.pointwise,params.separable,params.ratio",
        ),
    ],
)
def test_columns(sweep, columns, header):
    assert sweep(*GRID, "--format", "csv", "--columns", columns).stdout.splitlines()[0] == header


def test_columns_in_json_and_in_the_table(sweep):
    one = sweep(*CLOSED, "--format", "json", "--columns", "k,stride,macs.ratio").stdout
    assert json.loads(one) == {"spec": {"k": 64, "stride": [1, 1]}, "macs": {"ratio": 7.890410958904109}}
    assert "7.890410958904109" in sweep(*CLOSED, "--columns", "k,macs.ratio").stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--sort", "macs.ratio"], ["64", "64", "32", "32", "16", "16"]),
        (["--sort", "macs.ratio:asc"], ["16", "16", "32", "32", "64", "64"]),
        (["--sort", "k:asc", "--top", "3"], ["16", "16", "32"]),
        (["--top", "1"], ["64"]),
        (["--top", "100"], ["64", "64", "32", "32", "16", "16"]),
        (["--where", "k > 16 and c < 10"], ["32", "64"]),
        (["--where", "k > 16", "--sort", "k:asc", "--top", "1"], ["32"]),
    ],
)
def test_which_rows(sweep, arguments, expected):
    done = sweep("--k", "16:64:*2", "--c", "8,24", "--profiler", "none", "--get", "k", *arguments)
    assert done.stdout.split() == expected


def test_where_on_what_is_measured(sweep):
    done = sweep("--k", "8,64", "--c", "4", "--where", "measured.macs.ratio > 6", "--get", "k")
    assert done.stdout.split() == ["64"]


def test_rows_that_no_one_wants_are_no_error(sweep):
    assert sweep(*GRID, "--where", "k > 1000", "--get", "k").stdout == ""


def test_the_summary(sweep, valid):
    text = sweep(*GRID, "--summary", "--format", "json").stdout
    ratios = [row["traffic.ratio"] for row in rows_of(sweep(*GRID, "--format", "csv").stdout)]
    ratios = [float(ratio) for ratio in ratios]
    found = json.loads(text)
    valid(found)
    assert found["layers"] == 12
    traffic = found["summary"]["traffic.ratio"]
    assert traffic["min"] == min(ratios)
    assert traffic["max"] == max(ratios)
    assert traffic["median"] == statistics.median(ratios)
    assert traffic["geometric_mean"] == pytest.approx(statistics.geometric_mean(ratios))
    assert traffic["losing"] == sum(ratio < 1 for ratio in ratios) == 12
    assert traffic["losing_where"] == {"k": [16, 64], "c": [8, 24], "r": [3, 5], "s": [3, 5]}
    assert found["summary"]["macs.ratio"]["losing_where"] is None
    table = sweep(*GRID, "--summary").stdout
    assert "geometric mean" in table
    told = [" ".join(line.split()) for line in table.splitlines()]
    losing = next(number for number, line in enumerate(told) if line.startswith("traffic 12 of"))
    assert told[losing : losing + 5] == [
        "traffic 12 of 12 layers (100%)",
        "k 16, 32, 64 (100% at 16, 100% at 64)",
        "c 8, 24 (100% at 8, 100% at 24)",
        "r 3, 5 (100% at 3, 100% at 5)",
        "s 3, 5 (100% at 3, 100% at 5)",
    ]
    some = ("--k", "64", "--c", "64", "--h", "7,112", "--zip", "w=h", "--profiler", "none", "--summary")
    assert (
        "- traffic: 1 of 2 layers (50.0%); h 112 (0% at 7, 100% at 112); w"
        in sweep(*some, "--format", "markdown").stdout
    )
    assert len(rows_of(sweep(*GRID, "--summary", "--format", "csv").stdout)) == 5


def test_gates_apply_to_every_row(sweep):
    done = sweep(*GRID, "--fail-under", "macs.ratio=6", "--get", "k", code=1)
    assert len(done.stdout.split()) == 12
    assert errors(done) == [
        f"error: gate failed at k=16 c={c} r=3 s=3 h=56 w=56: macs.ratio is 5.76, under 6 (--fail-under macs.ratio=6)"
        for c in (8, 24)
    ]
    many = errors(
        sweep("--k", "1:100", "--c", "8", "--profiler", "none", "--fail-over", "params.ratio=0", "--quiet", code=1)
    )
    assert len(many) == 11
    assert many[-1] == "error: gate failed 90 more times, 100 in all"


def test_gates_as_annotations(sweep):
    done = sweep(*GRID, "--fail-under", "macs.ratio=6", "--format", "github", code=1)
    assert "\n::error title=dsconv%3A macs.ratio::k=16 c=8 r=3 s=3 h=56 w=56: macs" in done.stdout
    assert not errors(done)


def test_layers_that_cannot_exist_are_skipped(sweep):
    arguments = (
        "--k",
        "8",
        "--c",
        "4",
        "--r",
        "1:12",
        "--h",
        "6",
        "--padding",
        "valid",
        "--profiler",
        "none",
        "--get",
        "r",
    )
    done = sweep(*arguments)
    assert done.stdout.split() == ["1", "2", "3", "4", "5", "6"]
    assert done.stderr.count("warning: skipped k=8 c=4 r=") == 5
    assert "warning: skipped 6 of 12 layers whose kernel does not fit" in done.stderr
    assert sweep(*arguments, "--verbose").stderr.count("warning: skipped k=8 c=4 r=") == 6
    strict = sweep(*arguments, "--strict", code=2)
    assert strict.stdout == ""
    assert "r=7" in errors(strict)[0]
    assert "(--strict)" in errors(strict)[0]


def test_layers_from_stdin_with_options_beside(sweep):
    done = sweep(
        "--from", "-", "--batch", "1,2", "--h", "9", "--zip", "w=h", "--profiler", "none", "--format", "csv",
        "--columns", "k,c,h,w,batch", stdin="k,c\n8,4\n16,4\n",
    )  # fmt: skip
    assert done.stdout.splitlines()[1:] == ["8,4,9,9,1", "8,4,9,9,2", "16,4,9,9,1", "16,4,9,9,2"]
    assert "note: 4 layers: 2 from stdin × 2 values of batch, w=h" in done.stderr


def test_a_sweep_reads_its_own_output(sweep, tmp_path):
    for name in ("rows.csv", "rows.jsonl"):
        path = tmp_path / name
        assert sweep(*GRID, "--output", str(path)).stdout == ""
        again = sweep("--from", str(path), "--profiler", "none", "--format", "csv").stdout
        assert again == sweep(*GRID, "--format", "csv").stdout
        larger = sweep("--from", str(path), "--padding", "same", "--batch", "4", "--profiler", "none", "--get", "batch")
        assert set(larger.stdout.split()) == {"4"}
        assert "note: the options replace what" in larger.stderr


def test_a_model_hands_its_layers_over(dsconv, sweep, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 1), nn.Conv2d(16, 32, 5, stride=2))\n"
    )
    model = ("model", "net.py:net", "--input", "1,3,16,16")
    wanted = ["8 3 3 16 1", "32 16 5 16 2"]
    files = {"a.csv": "csv", "a.json": "json"}
    for name, form in files.items():
        done = dsconv(*model, "--layers", "layers.csv", "--format", form, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (tmp_path / name).write_text(done.stdout)
    for name in (*files, "layers.csv"):
        done = sweep("--from", name, "--profiler", "none", "--format", "json", cwd=tmp_path)
        specs = [json.loads(line)["spec"] for line in done.stdout.splitlines()]
        assert [f"{s['k']} {s['c']} {s['r']} {s['h']} {s['stride'][0]}" for s in specs] == wanted
        assert [s["bias"]["ordinary"] for s in specs] == [True, True]
        assert ("1 of the model's layers" in done.stderr) is (name != "layers.csv")


def test_several_files_at_once(sweep, tmp_path):
    names = ("a.csv", "a.jsonl", "a.json", "a.md", "a.txt")
    outputs = [part for name in names for part in ("--output", str(tmp_path / name))]
    assert sweep(*GRID, *outputs, "--format", "table").stdout == (tmp_path / "a.txt").read_text("utf-8")
    assert (tmp_path / "a.jsonl").read_text("utf-8") == (tmp_path / "a.json").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_is_replaced_whole_or_not_at_all(sweep, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old")
    # 2^62 MACs and more are beyond what the profiler holds, and the last layer has them.
    sweep("--k", "8,4000000000", "--c", "4000000000", "--output", str(path), code=3)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--k", "64"], "--c is missing; give it, tie it with --zip, or read layers with --from"),
        (["--k", "64:16", "--c", "1"], "--k '64:16' runs backwards"),
        ([*CLOSED, "--top", "0"], "--top must be a positive integer"),
        ([*CLOSED, "--sort", "macs.rato"], "--sort: unknown key 'macs.rato'; did you mean macs.ratio"),
        ([*CLOSED, "--sort", "k:up"], "the direction must be asc or desc"),
        ([*CLOSED, "--columns", "k,k"], "--columns has spec.k twice"),
        ([*CLOSED, "--columns", "k,"], "--columns: unknown key ''"),
        ([*CLOSED, "--where", "k <"], "--where 'k <': it ends too early"),
        ([*CLOSED, "--where", "measured.macs.ratio > 1"], "is not measured in this run; it needs --profiler"),
        ([*CLOSED, "--sort", "time.speedup"], "is not measured in this run; it needs --time"),
        ([*CLOSED, "--get", "measured.macs.ratio"], "is not measured in this run"),
        ([*CLOSED, "--fail-under", "measured.macs.ratio=1"], "is not measured in this run"),
        ([*CLOSED, "--fail-under", "spec.dtype=1"], "spec.dtype"),
        ([*CLOSED, "--fail-under", "macs.ratio=nan"], "is not a finite number"),
        ([*CLOSED, "--jobs", "0"], "--jobs must be a positive integer"),
        ([*CLOSED, "--shard", "3/2"], "--shard takes I/N"),
        ([*CLOSED, "--format", "xml"], "--format must be one of table, json"),
        ([*CLOSED, "--profiler", "x"], "--profiler must be one of thop"),
        ([*CLOSED, "--output", "/no/such/rows.csv"], "cannot write /no/such/rows.csv: no such file or directory"),
        ([*CLOSED, "--output", "rows.xyz"], "its ending names no format"),
        ([*CLOSED, "--resume"], "--resume goes on with the rows of a file; name it with --output FILE.jsonl"),
        ([*CLOSED, "--summary", "--get", "k"], "--get and --summary cannot share stdout"),
        (["--k", "64,32", "--c", "32", "--plot", "p.pdf"], "its ending must be one of .svg .png"),
        ([*CLOSED, "--plot", "p.png"], "--plot needs an argument that varies"),
        ([*CLOSED, "--plot", "p.png", "--plot-x", "bias"], "--plot-x must be one of k, c"),
        ([*CLOSED, "--plot", "p.png", "--plot-y", "macs.ordinary"], "--plot-y must be a ratio"),
        (["--from", "none.csv"], "cannot read none.csv: no such file or directory"),
        (["--k", "1", "--c", "1", "--r", "9", "--h", "1", "--padding", "valid"], "none of these layers can exist"),
    ],
)
def test_wrong_use_is_one_line(monkeypatch, capsys, arguments, complaint, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert complaint in line
    assert not list(tmp_path.iterdir())


def test_a_layer_that_cannot_be_counted_is_named(sweep):
    done = sweep("--k", "8,4000000000", "--c", "4000000000", "--get", "k", code=3)
    assert errors(done)[0].startswith("error: k=4000000000 c=4000000000 r=3 s=3 h=56 w=56: thop cannot hold this layer")


def test_processes_count_as_one_does(monkeypatch):
    """Where there are enough layers for that."""
    layers = [closed_forms(ConvSpec(k, c)) for k in range(1, 11) for c in range(1, 16)]
    monkeypatch.setattr(parallel, "_count_in_processes", lambda *_: pytest.fail("it does not pay"))
    alone = list(parallel.count(layers, "thop"))
    assert list(parallel.count(iter(layers), "thop", jobs=2)) == alone
    monkeypatch.undo()
    monkeypatch.setattr(parallel, "PAYS_FROM", 100)
    assert list(parallel.count(iter(layers), "thop", jobs=2)) == alone


def test_shards_put_together_are_the_whole(sweep):
    parts = [sweep(*GRID, "--format", "json", "--shard", f"{part}/5").stdout for part in range(1, 6)]
    assert "".join(parts) == sweep(*GRID, "--format", "json").stdout
    text = "k,c\n" + "".join(f"{k},4\n" for k in range(1, 12))
    arguments = ("--from", "-", "--batch", "1,2", "--profiler", "none", "--format", "json")
    parts = [sweep(*arguments, "--shard", f"{part}/3", stdin=text).stdout for part in range(1, 4)]
    assert "".join(parts) == sweep(*arguments, stdin=text).stdout


def test_closed_forms_never_load_torch():
    script = (
        "import sys; from dsconv_cli.cli import run;"
        f"code = run({['sweep', *GRID, '--quiet']!r});"
        "assert code == 0; assert not {'torch', 'numpy', 'thop', 'matplotlib', 'plotille'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL, env=clean_environment())


def test_memory_does_not_grow_with_the_layers(tmp_path):
    peaks = []
    for last in (50, 1000):
        for name in ("csv", "jsonl"):
            command = [str(SCRIPT), "sweep", "--k", f"1:{last}", "--c", "1:10", "--profiler", "none", "--quiet"]
            process = subprocess.Popen([*command, "--output", str(tmp_path / f"rows.{name}")], env=clean_environment())
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            peaks.append(usage.ru_maxrss)
    assert max(peaks[2:]) < 1.1 * min(peaks[:2])


def test_rows_stream_before_the_run_is_over():
    command = [str(SCRIPT), "sweep", "--k", "1:1000000000000", "--c", "1", "--profiler", "none", "--format", "csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as process:
        assert process.stdout.readline().startswith(b"schema_version,")
        assert process.stdout.readline().startswith(b"1,compare,1,1,3,3,")
        process.stdout.close()
        message = process.stderr.read().decode()
    assert process.returncode == 141
    assert "error" not in message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "k,k,c\n1,2,3\n"),
        ("a.csv", "k,K,c\n1,2,3\n"),
        ("a.csv", "k,c,spec.k\n1,2,3\n"),
        ("a.jsonl", '{"k": 16, "c": 32, "k": 17}\n'),
        ("a.jsonl", '{"k": 16, "c": 32, "spec.k": 17}\n'),
    ],
)
def test_a_column_that_is_there_twice(dsconv, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    result = dsconv("sweep", "--from", name, "--profiler", "none", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{name} line 1: k is there twice" in result.stderr


def test_whole_numbers_as_spreadsheets_write_them(dsconv, tmp_path):
    (tmp_path / "a.csv").write_text("k,c\n16.0,32.00\n")
    arguments = ("sweep", "--from", "a.csv", "--profiler", "none", "--columns", "k,c", "--format", "csv")
    assert dsconv(*arguments, cwd=tmp_path).stdout == "spec.k,spec.c\n16,32\n"
    (tmp_path / "a.csv").write_text("k,c\n16.5,32\n")
    assert "line 2, k: must be a positive integer, not '16.5'" in dsconv(*arguments, cwd=tmp_path).stderr


def test_conditions_add_up_and_files_do_not(dsconv):
    grid = ("sweep", "--k", "16,32,64", "--c", "16", "--profiler", "none", "--columns", "k", "--format", "csv")
    assert dsconv(*grid, "--where", "k>16", "--where", "k<64").stdout == "spec.k\n32\n"
    result = dsconv("sweep", "--from", "a", "--from", "b")
    assert (result.returncode, result.stdout) == (2, "")
    assert "--from takes one file" in result.stderr


def test_a_gate_that_judged_nothing_has_not_passed(dsconv):
    grid = ("sweep", "--k", "16,32", "--c", "16", "--profiler", "none", "--where", "k>100")
    result = dsconv(*grid, "--fail-under", "macs.ratio=5")
    assert result.returncode == 2
    assert "no layer satisfies --where, so the gates checked nothing" in result.stderr
    assert "warning: no layer satisfies --where" in dsconv(*grid).stderr


def test_what_the_layers_of_a_file_share_is_in_the_title(dsconv, tmp_path):
    (tmp_path / "a.csv").write_text("k,c\n16,24\n32,24\n")
    text = dsconv("sweep", "--from", "a.csv", "--profiler", "none", cwd=tmp_path).stdout
    assert text.splitlines()[1].startswith("2 from a.csv; c=24; from formulas")


@pytest.mark.parametrize(
    ("condition", "shown"),
    [("environment.cpu == 'none such'", ""), ("environment.cpu != 'none such' and k > 8", "16\n"), ("error == ''", "")],
)
def test_a_condition_on_what_no_formula_tells(capsys, condition, shown):
    assert run(["sweep", "--k", "8,16", "--c", "8", "--profiler", "none", "--where", condition, "--get", "k"]) == 0
    told = capsys.readouterr()
    assert told.out == shown
    assert ("warning: no layer satisfies --where" in told.err) == (shown == "")


def test_arithmetic_has_no_machines(monkeypatch, capsys, tmp_path):
    """With nothing to measure --cluster has no effect: not on rows, not on files of them, not on what may be asked for."""
    monkeypatch.setattr(sweep_wishes, "check_installed", lambda *_, **__: None)
    layers = ("--k", "8,16", "--c", "8", "--profiler", "none", "--cluster", "tcp://127.0.0.1:1")
    for asked in (("--sort", "environment.machine.cores"), ("--fail-under", "environment.machine.cores=1")):
        assert run(["sweep", *layers, *asked]) == 2
        told = capsys.readouterr().err
        assert "environment.machine.cores is not measured in this run; it needs --cluster with --time or a" in told
    path = tmp_path / "rows.jsonl"
    assert run(["sweep", *layers, "--resume", "--output", str(path)]) == 0
    assert [json.loads(line)["spec"]["k"] for line in path.read_text("utf-8").splitlines()] == [8, 16]
    assert "note: --cluster has no effect with --profiler none" in capsys.readouterr().err


def test_a_section_stands_for_the_machine_too():
    shared = keys_of(shared=True)
    machine = [key for key in shared if key.startswith("environment.machine.")]
    assert machine
    assert list(resolve_many("environment.machine", "--columns", shared)) == machine
    assert {*machine} < {*resolve_many("environment", "--columns", shared)} < {*shared}
    assert {*machine, "error"} < {*completion.keys_of("sweep")}
