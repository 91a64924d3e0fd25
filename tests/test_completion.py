"""What a shell offers where Tab is pressed: each command its own keys and words."""

from __future__ import annotations

import pytest


def offered(dsconv, *words):
    """What bash is told for a line that ends in the last of `words`."""
    env = {
        "_DSCONV_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["dsconv", *words]),
        "COMP_CWORD": str(len(words)),
    }
    result = dsconv(env=env)
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize(
    ("words", "there", "elsewhere"),
    [
        (("compare", "--get", "macs."), "macs.ratio", "totals.macs.ratio"),
        (("sweep", "--sort", "traffic."), "traffic.separable", "totals.macs.ratio"),
        (("model", "net.py:Net", "--get", "totals."), "totals.macs.after", "macs.ratio"),
        (("doctor", "--get", "noise."), "noise.ratio.low", "macs.ratio"),
    ],
)
def test_each_command_offers_its_own_keys(dsconv, words, there, elsewhere):
    found = offered(dsconv, *words)
    assert there in found
    assert all(key.startswith(words[-1]) for key in found)
    assert elsewhere not in offered(dsconv, *words[:-1], "")


def test_gates_offer_what_can_be_held_against_a_limit(dsconv):
    found = offered(dsconv, "model", "net.py:Net", "--fail-over", "totals.")
    assert "totals.macs.after=" in found
    assert not [key for key in found if "verdict" in key or "warnings" in key]


def test_words_are_offered_as_the_help_lists_them(dsconv):
    assert offered(dsconv, "compare", "--profiler", "") == ["thop", "torch", "both", "none"]
