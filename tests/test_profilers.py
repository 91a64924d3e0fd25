"""Independent programs must count what the closed forms say."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dsconv_cli import Bias, CannotMeasureError, ConvSpec, SpecError, compare, ordinary_conv2d, separable_conv2d
from dsconv_cli.counting import profilers as module

small = st.integers(1, 9)
pair = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def specs(draw):
    padding = draw(st.one_of(st.sampled_from(["half", "same", "valid"]), st.integers(0, 4), st.tuples(small, small)))
    try:
        return ConvSpec(
            *(draw(small) for _ in range(4)),
            h=draw(st.integers(1, 20)),
            w=draw(st.integers(1, 20)),
            batch=draw(st.integers(1, 3)),
            stride=1 if padding == "same" else draw(pair),
            padding=padding,
            dilation=draw(pair),
            depth_multiplier=draw(st.integers(1, 3)),
            bias=Bias(draw(st.booleans()), draw(st.booleans()), draw(st.booleans())),
            dtype=draw(st.sampled_from(["float32", "float64", "bfloat16", "float16"])),
        )
    except SpecError:
        assume(False)


@settings(max_examples=150, deadline=None)
@given(specs())
def test_all_counters_agree(spec):
    closed = compare(spec, profiler="none").cost
    for profiler in module.PROFILERS.values():
        for form in ("ordinary", "separable"):
            counted = profiler.ask(spec, form)
            assert counted.params == closed.params[form]
            assert counted.macs == closed.macs[form]
            assert counted.output_shape == spec.output_shape


@settings(max_examples=60, deadline=None)
@given(specs())
def test_the_modules_really_run_and_have_the_same_shape(spec):
    spec_32 = dataclasses.replace(spec, dtype="float32")
    image = torch.zeros(spec.input_shape)
    whole, halves = ordinary_conv2d(spec_32), separable_conv2d(spec_32)
    assert tuple(whole(image).shape) == tuple(halves(image).shape) == spec.output_shape
    assert tuple(halves.depthwise(image).shape) == spec.intermediate_shape


def test_the_modules_are_initialised_as_torch_does():
    spec = ConvSpec(8, 4, bias=True)
    torch.manual_seed(0)
    ours = ordinary_conv2d(spec)
    torch.manual_seed(0)
    theirs = torch.nn.Conv2d(4, 8, 3, padding=1, bias=True)
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


@pytest.mark.parametrize("profiler", ["thop", "torch", "both"])
def test_any_size_without_computing_or_touching_memory(profiler):
    """1.4·10^17 MACs a form; the weights alone would be 10 GB."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = compare(ConvSpec(16384, 16384, h=8192, w=8192), profiler=profiler)
    assert result.counted.macs.ordinary == pytest.approx(16384 * 16384 * 9 * 8192 * 8192, rel=2**-50)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.parametrize("layer", ["64, 32", "4096, 4096, 3, 3, 4096, 4096"])
def test_thop_needs_no_meta_convolution(python, layer):
    """The first one of a process imports sympy, which costs 0.3 s."""
    code = (
        f"import sys; from dsconv_cli import ConvSpec, compare; compare(ConvSpec({layer})); "
        "sys.exit('sympy' in sys.modules)"
    )
    assert subprocess.run([python, "-c", code], check=False).returncode == 0


def test_large_kernels_take_no_memory_either(python):
    """thop makes a tensor of the kernel's size: 1.6 GB for 20000×20000."""
    code = (
        "import resource; from dsconv_cli import ConvSpec, compare; import torch, thop\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "compare(ConvSpec(1, 1, 20000, 20000, 20000, 20000, padding=0))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    result = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    assert int(result.stdout) < 300_000


def test_the_callers_default_device_does_not_matter():
    with torch.device("meta"):
        assert compare(ConvSpec(64, 32)).counted.macs.ordinary == 57_802_752


def test_above_2_53_thop_agrees_within_its_precision():
    spec = ConvSpec(10**6 + 3, 1001, h=10**4, w=10**4)
    result = compare(spec, profiler="thop")
    assert result.cost.macs.ordinary > 2**53
    assert not result.counted.exact
    assert result.counted.macs.ordinary == pytest.approx(result.cost.macs.ordinary, rel=2**-50)
    assert compare(spec, profiler="torch").counted.macs.ordinary == result.cost.macs.ordinary
    assert compare(spec, profiler="torch").counted.exact
    assert not compare(spec, profiler="both").counted.exact, "thop is one of them"


@pytest.mark.parametrize("profiler", ["thop", "torch", "both"])
def test_above_2_63_one_clear_error(profiler):
    with pytest.raises(CannotMeasureError, match=r"2\^63.*--profiler none") as caught:
        compare(ConvSpec(10**6, 10**6, h=10**5, w=10**5), profiler=profiler)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"params": 0}, "counters disagree: thop counts 0 parameters .* the formula gives 18,432"),
        ({"macs": 1}, "counters disagree: thop counts 1 MACs .* the formula gives 57,802,752"),
        ({"output_shape": (1, 64, 55, 56)}, "shapes disagree: torch gave 1x64x55x56 .* 1x64x56x56"),
    ],
)
def test_disagreement_is_an_error_that_shows_both(monkeypatch, wrong, words):
    thop = module.PROFILERS["thop"]
    lying = thop._replace(ask=lambda spec, form: thop.ask(spec, form)._replace(**wrong))
    monkeypatch.setattr(module, "PROFILERS", {"thop": lying})
    with pytest.raises(CannotMeasureError, match=words) as caught:
        compare(ConvSpec(64, 32))
    assert caught.value.exit_code == 3


def test_what_torch_refuses_is_one_line(monkeypatch):
    def refuse(*_):
        raise RuntimeError("no room\nwith a long explanation")

    thop = module.PROFILERS["thop"]
    monkeypatch.setattr(module, "PROFILERS", {"thop": thop._replace(ask=refuse)})
    with pytest.raises(CannotMeasureError, match=r"could not count the ordinary form \(no room\); --profiler none"):
        compare(ConvSpec(64, 32))


def test_the_distribution_that_answers_is_named():
    (name,) = compare(ConvSpec(4, 4)).counted.counters
    assert name.startswith("thop 0.1.1")
    assert compare(ConvSpec(4, 4), profiler="torch").counted.counters == (f"torch {torch.__version__}",)


def test_a_copy_of_thop_is_not_taken_for_the_distribution(tmp_path, python):
    """A stale record, and files that no distribution installed: whoever answered is named, or nobody."""
    import shutil

    import thop

    stale = tmp_path / "thop-9.9.dist-info"
    stale.mkdir()
    (stale / "METADATA").write_text("Metadata-Version: 2.1\nName: thop\nVersion: 9.9\n")
    (stale / "RECORD").write_text("thop/profile.py,sha256=AAAA,10\n")
    code = "from dsconv_cli import ConvSpec, compare; print(*compare(ConvSpec(4, 4)).counted.counters)"

    def answered() -> str:
        env = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True, env=env).stdout

    assert answered().startswith("thop 0.1.1")
    shutil.copytree(Path(thop.__file__).parent, tmp_path / "thop")
    assert answered().startswith("thop (no distribution's;")
    digest = hashlib.sha256((tmp_path / "thop" / "profile.py").read_bytes()).digest()
    encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    other = tmp_path / "ultralytics_thop-2.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: ultralytics-thop\nVersion: 2.0\n")
    (other / "RECORD").write_text(f"thop/profile.py,sha256={encoded},10\n")
    assert answered() == "ultralytics-thop 2.0\n"


def test_thop_leaves_nothing_on_stdout(capfd):
    compare(ConvSpec(4, 4))
    assert capfd.readouterr() == ("", "")
    assert "thop" in sys.modules
