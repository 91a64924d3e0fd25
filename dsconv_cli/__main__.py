"""The command `dsconv`, also as `python -m dsconv_cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code.

    `--version` is answered before anything is imported: scripts ask it often, and typer alone costs 0.07 s.
    """
    if sys.argv[1:] == ["--version"]:
        from dsconv_cli._version import __version__

        print(f"dsconv {__version__}")  # noqa: T201
        return
    from dsconv_cli.cli import run

    leave(run())


def leave(code: int) -> None:
    """Exit with `code`, without taking torch apart first.

    Python's own way out frees every module one by one, which for torch takes a quarter of the whole run.
    What was registered to happen at exit still happens, and both streams are flushed.
    """
    if "torch" not in sys.modules:
        sys.exit(code)
    import atexit
    import os

    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
