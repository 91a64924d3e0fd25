"""Pictures: what they show, not their pixels."""

from __future__ import annotations

import builtins
import sys
import xml.etree.ElementTree as ET

import fakes
import pytest

from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import Bias, ConvSpec
from dsconv_cli.report.pictures import figure, terminal
from dsconv_cli.report.pictures.drawing import Axes, Picture, choose_axes
from dsconv_cli.sweep.sources import parse_source
from dsconv_cli.timing.result import Interval

BRAILLE = range(0x2801, 0x2900)


def drawing_of(specs, x="k", by="c", y="macs.ratio", time=None):
    picture = Picture(Axes(x, by, y))
    for spec in specs:
        one = closed_forms(spec)
        picture.add(one if time is None else Comparison(one.spec, one.cost, time=time(spec)))
    return picture.draw()


def timing(spec):
    speedup = spec.k / 10
    return fakes.timing(speedup=Interval(speedup, speedup * 0.9, speedup * 1.2, 0.95))


GRID = [ConvSpec(k, c) for k in (16, 32, 64, 128, 256, 512) for c in (8, 24, 72)]


def test_lines_are_the_ratios():
    drawing = drawing_of(GRID, y="traffic.ratio")
    assert [line.label for line in drawing.lines] == ["C = 8", "C = 24", "C = 72"]
    for line, c in zip(drawing.lines, (8, 24, 72), strict=True):
        assert [point.x for point in line.points] == [16, 32, 64, 128, 256, 512]
        for point in line.points:
            assert point.y == float(closed_forms(ConvSpec(int(point.x), c)).cost.traffic.ratio)


def test_labels_have_units_and_the_caption_says_what_is_fixed():
    drawing = drawing_of([ConvSpec(8, 4, h=h, w=h, bias=Bias(True, False, True)) for h in (7, 14, 28)], x="h", by=None)
    assert drawing.x_label == "input height H (pixels)"
    assert drawing.y_label == "ratio of MACs, ordinary ÷ separable (×)"
    assert drawing.caption == (
        (
            "Fixed: K = 8, C = 4, R = 3, S = 3, N = 1, stride = 1, padding = 1, dilation = 1, M = 1, "
            "dtype = float32, bias = ordinary, pointwise."
        ),
        "W = H.",
    )


def test_r_times_s_is_one_line_or_one_for_each():
    shared = drawing_of(GRID)
    assert [{point.y for point in line.points} for line in shared.references] == [{9}]
    each = drawing_of([ConvSpec(k, 8, r, r) for k in (8, 16) for r in (1, 3, 5)], by="r")
    assert [line.points[0].y for line in each.references] == [1, 9, 25]
    along = drawing_of([ConvSpec(8, 8, r, 3) for r in (1, 3, 5)], x="r", by=None)
    assert [[point.y for point in line.points] for line in along.references] == [[3, 9, 15]]


def test_axes_grow_by_factors_or_steps():
    assert drawing_of(GRID).log_x
    assert not drawing_of([ConvSpec(k, 8) for k in range(16, 513, 16)], by=None).log_x
    assert drawing_of([ConvSpec(8, 8, r, r) for r in (1, 7)], x="r", by=None).log_y
    assert not drawing_of(GRID).log_y


def test_many_lines_are_thinned_out_and_that_is_said():
    drawing = drawing_of([ConvSpec(k, c) for k in (8, 16) for c in range(1, 31)])
    assert len(drawing.lines) == 8
    assert drawing.lines[0].label == "C = 1"
    assert drawing.lines[-1].label == "C = 30"
    assert "8 of 30 values of C are drawn." in drawing.caption


@pytest.mark.parametrize(("x", "by", "told"), [("k", "c", "C = K."), ("c", "k", "K = C.")])
def test_tied_axes_are_one_line(x, by, told):
    """As --zip c=k has it: a line for each value of C would have one point."""
    drawing = drawing_of([ConvSpec(k, k) for k in (16, 64, 256)], x=x, by=by)
    assert [(line.label, [point.x for point in line.points]) for line in drawing.lines] == [
        ("exact ratio", [16, 64, 256])
    ]
    assert [point.y for point in drawing.lines[0].points] == pytest.approx([144 / 25, 576 / 73, 2304 / 265])
    assert drawing.legend == ""
    assert told in drawing.caption
    assert drawing_of([ConvSpec(16, c) for c in (8, 24)], by="c").legend == "input channels C", "one K: two points"


def test_a_line_of_times_is_not_called_exact():
    (line,) = drawing_of([ConvSpec(k, 8) for k in (8, 16)], by=None, y="time.speedup.value", time=timing).lines
    assert line.label == "measured ratio"


@pytest.mark.parametrize("specs", [[ConvSpec(16, 8)], [ConvSpec(16, c) for c in (8, 24)]])
def test_what_the_legend_promises_is_drawn(specs):
    """Also where there is a single point, which no line goes through."""
    drawing = drawing_of(specs)
    (axes,) = figure.figure(drawing).axes
    drawn = {line.get_label(): line for line in axes.get_lines()}
    for text in axes.get_legend().get_texts():
        line = drawn[text.get_text()]
        assert len(line.get_xdata()) > 1 or line.get_marker() not in {"", "None"}
    dotted = terminal.text(drawing, width=60, color=False, unicode=True).splitlines()
    assert max(sum(ord(letter) in BRAILLE for letter in line) for line in dotted) > 15


def test_what_varies_beside_the_axes_is_said():
    drawing = drawing_of([ConvSpec(k, c, h=h) for k in (8, 16) for c in (4, 8) for h in (7, 9, 28)], y="traffic.ratio")
    assert "H = 7 … 28 varies too; points are medians." in drawing.caption
    middle = float(closed_forms(ConvSpec(8, 4, h=9)).cost.traffic.ratio)
    assert drawing.lines[0].points[0].y == middle


def test_words_and_pairs_stand_side_by_side():
    drawing = drawing_of([ConvSpec(8, c, dtype=d) for c in (4, 8) for d in ("float32", "float16")], x="dtype", by="c")
    assert drawing.ticks == ((1.0, "float32"), (2.0, "float16"))
    drawing = drawing_of([ConvSpec(8, 4, stride=stride) for stride in (1, (1, 2), 2)], x="stride", by=None)
    assert [label for _, label in drawing.ticks] == ["1", "1x2", "2"]


def test_times_have_intervals():
    drawing = drawing_of(GRID, y="time.speedup.value", time=timing)
    point = drawing.lines[0].points[0]
    assert (point.y, point.low, point.high) == pytest.approx((1.6, 1.44, 1.92))
    assert drawing.y_label == "ratio of time, ordinary ÷ separable (×)"
    assert "Bars: 95% confidence intervals." in drawing.caption


@pytest.mark.parametrize(
    ("varying", "counts", "wanted", "expected"),
    [
        (["k", "c"], {"k": 3, "c": 9}, {}, ("c", "k")),
        (["k", "c"], {"k": 9, "c": 3}, {}, ("k", "c")),
        (["k"], {"k": 3}, {}, ("k", None)),
        (["k", "c", "h"], {"k": 3, "c": 9, "h": 2}, {"x": "h"}, ("h", "c")),
        (["k", "c", "h"], {"k": 3, "c": 9, "h": 2}, {"by": "h"}, ("c", "h")),
        (["k", "w"], {"k": 3}, {"x": "w", "by": "k"}, ("w", "k")),
        (["bias", "k"], {}, {}, ("k", None)),
    ],
)
def test_which_axes(varying, counts, wanted, expected):
    axes = choose_axes(varying, counts, {"x": None, "by": None, **wanted}, "macs.ratio")
    assert (axes.x, axes.by) == expected


@pytest.mark.parametrize(
    ("zips", "wanted", "expected"),
    [
        (["c=k"], {}, ("k", None)),
        (["k,c"], {}, ("k", None)),
        (["c=k"], {"by": "k"}, ("c", "k")),
        (["c=k"], {"x": "c"}, ("c", "k")),
        (["c=k", "s=r"], {}, ("k", "r")),
    ],
)
def test_what_is_tied_makes_no_lines(zips, wanted, expected):
    texts = {"k": "16,64,256", "r": "3,5" if "s=r" in zips else "3", **({"c": "8,16,24"} if "k,c" in zips else {})}
    source = parse_source({"c": "8", **texts} if not any("c" in one for one in zips) else texts, zips=zips)
    grid = source.grid
    axes = choose_axes(source.varying, grid.values, {"x": None, "by": None, **wanted}, "macs.ratio", tied=grid.tied)
    assert (axes.x, axes.by) == expected


@pytest.mark.parametrize(
    ("varying", "wanted", "y", "complaint"),
    [
        ([], {}, "macs.ratio", "needs an argument that varies"),
        (["k"], {"x": "q"}, "macs.ratio", "--plot-x must be one of k, c"),
        (["k"], {"by": "q"}, "macs.ratio", "--plot-by must be one of k, c"),
        (["k"], {"x": "k", "by": "k"}, "macs.ratio", "are both k"),
        (["k"], {}, "macs.ordinary", "--plot-y must be a ratio"),
    ],
)
def test_axes_that_cannot_be(varying, wanted, y, complaint):
    with pytest.raises(DsconvError, match=complaint):
        choose_axes(varying, {}, {"x": None, "by": None, **wanted}, y)


def test_nothing_to_draw():
    with pytest.raises(DsconvError, match="nothing to plot"):
        drawing_of([])


def test_the_figure_shows_the_drawing():
    drawing = drawing_of(GRID)
    (axes,) = figure.figure(drawing).axes
    assert axes.get_xlabel() == "output channels K"
    assert axes.get_ylabel() == "ratio of MACs, ordinary ÷ separable (×)"
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["16", "32", "64", "128", "256", "512"]
    legend = axes.get_legend()
    assert legend.get_title().get_text() == "input channels C"
    assert [text.get_text() for text in legend.get_texts()] == ["C = 8", "C = 24", "C = 72", "R×S = 9"]
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert lines["R×S = 9"] == [9] * 6
    assert lines["C = 24"] == [point.y for point in drawing.lines[1].points]
    assert axes.get_ylim()[0] == 0


def test_the_figure_of_times_has_bars():
    drawing = drawing_of(GRID, y="time.speedup.value", time=timing)
    (axes,) = figure.figure(drawing).axes
    assert len(axes.containers) == 3
    (bars,) = axes.containers[0].lines[2]
    first = bars.get_segments()[0]
    assert [y for _, y in first] == pytest.approx([1.44, 1.92])


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml")])
def test_files_are_what_they_end_in(ending, magic):
    data = figure.draw(drawing_of(GRID), ending)
    assert data.startswith(magic)
    assert data == figure.draw(drawing_of(GRID), ending)


def test_in_the_terminal():
    text = terminal.text(drawing_of(GRID), width=80, color=False, unicode=True)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1] == "ratio of MACs, ordinary ÷ separable (×)"
    assert any(line.split() == ["16", "32", "64", "128", "256", "512"] for line in lines)
    assert "output channels K" in text
    assert [line.strip() for line in lines if line.startswith("  ─")] == ["─o─ C = 8", "─x─ C = 24", "─+─ C = 72"]
    assert "··· R×S = 9" in text
    assert "Fixed: R = 3, S = 3" in text
    assert sum(ord(letter) in BRAILLE for letter in text) > 100
    assert "\x1b" not in text
    assert "\x1b[" in terminal.text(drawing_of(GRID), width=80, color=True, unicode=True)


def test_in_a_terminal_without_unicode():
    text = terminal.text(drawing_of(GRID, y="traffic.ratio"), width=100, color=False, unicode=False)
    assert text.isascii()
    assert "... RxS = 9" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("specs", [[ConvSpec(1, 1, 1, 1)], [ConvSpec(k, 1, 11, 11) for k in range(1, 200)]])
@pytest.mark.parametrize("width", [20, 40, 300])
def test_any_width_and_any_number_of_points(specs, width):
    drawing = drawing_of(specs, by=None)
    assert terminal.text(drawing, width=width, color=False, unicode=True)
    assert figure.draw(drawing, "svg")


def test_the_command_draws(dsconv, tmp_path):
    path = tmp_path / "a.svg"
    done = dsconv(
        "sweep", "--k", "16:512:*2", "--c", "8,24", "--profiler", "none", "--plot", str(path), "--output",
        str(tmp_path / "b.png"), "--output", str(tmp_path / "rows.csv"),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    words = " ".join(ET.parse(path).getroot().itertext())
    for expected in ("output channels K", "C = 24", "R×S = 9", "Fixed: R = 3", "ratio of MACs"):
        assert expected in words
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 13


def test_the_command_draws_in_the_terminal(dsconv):
    done = dsconv("sweep", "--k", "16:512:*2", "--c", "8,24", "--profiler", "none", "--plot", "-", "--plot-x", "c")
    assert done.returncode == 0
    assert "input channels C" in done.stdout
    assert "─o─ K = 16" in done.stdout


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize(("target", "library"), [("a.svg", "matplotlib"), ("-", "plotille")])
def test_a_missing_library_is_named_with_its_cure(monkeypatch, capsys, tmp_path, target, library, is_folder):
    """Missing too where a folder without files of its own is called so: what an uninstallation leaves."""
    from importlib import machinery, util

    from dsconv_cli.cli import run

    find, load = util.find_spec, builtins.__import__

    def refuse(name, *rest):
        assert name.partition(".")[0] != library
        return load(name, *rest)

    found = machinery.ModuleSpec(library, None, is_package=True) if is_folder else None
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: found if name == library else find(name, *rest))
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.chdir(tmp_path)
    assert run(["sweep", "--k", "8,16", "--c", "4", "--profiler", "none", "--plot", target]) == 2
    assert f"needs {library}; install it with pip install 'dsconv-cli[plot]'" in capsys.readouterr().err
