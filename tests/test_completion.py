"""What a shell offers where Tab is pressed: each command its own keys and words."""

from __future__ import annotations

import subprocess

import pytest
from conftest import clean_environment

from dsconv_cli.cli.completion import SHELLS
from dsconv_cli.cli.main import run


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


@pytest.mark.parametrize(
    ("shell", "line"), [("zsh", '"macs.ratio":"ordinary / separable"'), ("fish", "macs.ratio\tordinary / separable")]
)
def test_shells_that_can_are_told_what_a_key_means(capsys, monkeypatch, shell, line):
    monkeypatch.setenv("_DSCONV_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "dsconv compare --get macs.r")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    with pytest.raises(SystemExit) as left:
        run([])
    assert left.value.code == 0
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered_words"),
    [
        ("sweep --columns k,macs.rat", ["k,macs.ratio"]),
        ("compare --get runtimes.ncnn.speedup.v", ["runtimes.ncnn.speedup.value"]),
        ("compare --kern", ["--kernel"]),
        ("compare --runtime torch,onnx", ["torch,onnxruntime"]),
        ("model --fail-over totals.macs.b", ["totals.macs.before="]),
    ],
)
def test_bash_is_offered(capsys, monkeypatch, typed, offered_words):
    monkeypatch.setenv("_DSCONV_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"dsconv {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split())))
    with pytest.raises(SystemExit):
        run([])
    assert capsys.readouterr().out.split() == offered_words


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_any_shell_can_be_printed(capsys, shell):
    assert run(["--show-completion", shell]) == 0
    out, err = capsys.readouterr()
    assert (f"complete_{shell}" in out, err) == (True, "")


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_without_a_name_it_is_for_the_user_s_own(capsys, monkeypatch, tmp_path, option):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/fish")
    assert run([option]) == 0
    assert "fish" in capsys.readouterr().out
    assert (tmp_path / ".config/fish/completions/dsconv.fish").exists() == option.startswith("--install")


def test_an_unknown_shell_is_refused(capsys):
    assert run(["--show-completion", "tcsh"]) == 2
    assert "--show-completion must be one of bash, zsh, fish, powershell, not 'tcsh'" in capsys.readouterr().err


def test_bash_completes_with_the_printed_script(tmp_path, dsconv):
    """As a shell would that has read it: a key's gate is offered, and no space put behind it."""
    script = dsconv("--show-completion", "bash").stdout
    (tmp_path / "try.sh").write_text(
        f"{script}\ncompopt() {{ echo compopt; }}\n"
        "COMP_WORDS=(dsconv compare --fail-under macs.rat) COMP_CWORD=3\n"
        '_dsconv_completion dsconv\necho "${COMPREPLY[@]}"\n'
    )
    shell = subprocess.run(
        ["bash", str(tmp_path / "try.sh")], capture_output=True, text=True, check=False,
        env={**clean_environment(), "PATH": f"{scripts()}:/usr/bin:/bin"},
    )  # fmt: skip
    assert (shell.stdout.split("\n")[:2], shell.stderr) == (["compopt", "macs.ratio="], "")


def scripts():
    import sysconfig

    return sysconfig.get_path("scripts")
