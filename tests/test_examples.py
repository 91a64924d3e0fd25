"""The examples in the docstrings of public names are run."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module

import pytest

import dsconv_cli

#: Those that must have one.
SHOWN = ("Selection", "TimingSettings", "analyse", "separate", "time_layer")


def examples_of(name):
    found = getattr(dsconv_cli, name)
    module = inspect.getmodule(found)
    return [test for test in doctest.DocTestFinder().find(found, name, module) if test.examples]


@pytest.mark.parametrize("name", ["", ".axes", ".conditions", ".ties"])
def test_examples_of_sweeps_are_true(name):
    failed, tried = doctest.testmod(import_module(f"dsconv_cli.sweep{name}"))
    assert tried
    assert not failed


@pytest.mark.parametrize("name", [name for name in dsconv_cli.__all__ if callable(getattr(dsconv_cli, name))])
def test_examples_are_true(name):
    examples = examples_of(name)
    assert examples or name not in SHOWN
    for example in examples:
        said = []
        assert not doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed, "".join(said)
