"""The examples in the docstrings of public names are run."""

from __future__ import annotations

import doctest
import inspect

import pytest

import dsconv_cli

#: Those that must have one.
SHOWN = ("TimingSettings", "time_layer")


def examples_of(name):
    found = getattr(dsconv_cli, name)
    module = inspect.getmodule(found)
    return [test for test in doctest.DocTestFinder().find(found, name, module) if test.examples]


@pytest.mark.parametrize("name", [name for name in dsconv_cli.__all__ if callable(getattr(dsconv_cli, name))])
def test_examples_are_true(name):
    examples = examples_of(name)
    assert examples or name not in SHOWN
    for example in examples:
        said = []
        assert not doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed, "".join(said)
