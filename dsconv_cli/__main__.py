"""The command `dsconv`, also as `python -m dsconv_cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code.

    `--version` is answered before anything is imported: scripts ask it often, and typer alone costs 0.07 s.
    """
    leave(_version() if sys.argv[1:] == ["--version"] else _command())


def _version() -> int:
    from dsconv_cli._version import __version__

    try:
        sys.stdout.write(f"dsconv {__version__}\n")
        sys.stdout.flush()
    except (OSError, AttributeError) as error:
        from dsconv_cli.cli.streams import PipeClosedError, closed, say

        say("error", str(closed(error) if isinstance(error, OSError) else PipeClosedError()))
        return 3
    return 0


def _command() -> int:
    from dsconv_cli import interrupts

    interrupts.install()
    try:
        from dsconv_cli.cli import run

        return run()
    except KeyboardInterrupt:
        from dsconv_cli.cli.streams import say

        say("error", "interrupted")
        return 130


def leave(code: int) -> None:
    """Exit with `code`, without taking torch apart first.

    Python's own way out frees every module one by one, which for torch takes a quarter of the whole run; and it
    replaces the exit code where a stream cannot be flushed. What was registered to happen at exit still happens.
    """
    import atexit
    import os
    from contextlib import suppress

    # An exit handler of the user's own code that fails is told in a line, not in pages.
    sys.unraisablehook = _told
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.__stdout__, sys.stderr):
        # The result was flushed, and its failure reported, when it was written.
        with suppress(OSError, AttributeError, ValueError):
            stream.flush()  # type: ignore[union-attr]
    os._exit(code)


def _told(failure: sys.UnraisableHookArgs) -> None:
    from dsconv_cli.cli.streams import say

    say("warning", f"an exit handler raised {failure.exc_type.__name__}: {failure.exc_value}")


if __name__ == "__main__":
    main()
