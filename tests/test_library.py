"""The library as its users have it: every public name explained by an example that runs, and results that print."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest

import dsconv_cli

#: What has nothing to show but its name.
ERRORS = {"CannotMeasureError", "DsconvError", "SpecError"}
PUBLIC = sorted(set(dsconv_cli.__all__) - {"__version__"} - ERRORS)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example_that_is_true(name):
    thing = getattr(dsconv_cli, name)
    module = importlib.import_module(thing.__module__)
    names = {**vars(module), **{each: getattr(dsconv_cli, each) for each in PUBLIC}}
    found = [test for test in doctest.DocTestFinder(recurse=False).find(thing, name, globs=names) if test.examples]
    assert found, f"{name} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in found:
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_takes_and_raises(name):
    thing = getattr(dsconv_cli, name)
    text = thing.__doc__ or ""
    assert len(text.split()) > 10
    if not isinstance(thing, type):
        assert "Raises:" in text, name


def test_printing_a_comparison_shows_the_table_of_the_command(dsconv):
    code = "from dsconv_cli import ConvSpec, compare; print(compare(ConvSpec(k=64, c=32), profiler='none'))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == dsconv("compare", "--k", "64", "--c", "32", "--profiler", "none").stdout


def test_printing_a_network_shows_the_table_of_the_command(dsconv, tmp_path):
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef net():\n    return nn.Conv2d(32, 64, 3)\n")
    code = (
        "import net\nfrom dsconv_cli import analyse\n"
        "text = str(analyse(net.net(), (1, 32, 56, 56)))\nprint(text[text.index('total'):])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    shown = dsconv("model", "net.py:net", "--input", "1,32,56,56", cwd=tmp_path).stdout
    assert "53,747,712" in printed, "64·32·9·54·54"
    assert printed == shown[shown.index("total") :]
