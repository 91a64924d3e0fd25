"""The command `dsconv`, also as `python -m dsconv_cli`."""

import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code.

    `--version` is answered before anything is imported: scripts ask it often, and typer alone costs 0.07 s.
    """
    _import_nothing_from_here()
    if sys.argv[1:] in (["--version"], ["-V"]):
        leave(_version())
    from dsconv_cli import interrupts

    interrupts.install()
    from dsconv_cli.cli import run

    leave(run())


def _import_nothing_from_here() -> None:
    """Take the current directory off the import path, where `python -m` puts it: a json.py there is not ours to run.

    What Python itself imports for `-m` has been imported by then, and nothing by us; `python -P -m dsconv_cli` is safe
    from the start.
    """
    try:
        here = {"", ".", os.getcwd()}  # noqa: PTH109  pathlib is not imported for --version
    except FileNotFoundError:
        return  # It has been removed, with all that could be imported from it.
    sys.path[:] = [folder for folder in sys.path if folder not in here]
    home = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    if home not in sys.path:
        # In a checkout this very package was found there, and the processes that measure must find it too.
        sys.path.append(home)


def _version() -> int:
    from dsconv_cli._version import __version__

    try:
        sys.stdout.write(f"dsconv {__version__}\n")
        sys.stdout.flush()
    except (OSError, AttributeError) as error:
        from dsconv_cli.cli.main import failed
        from dsconv_cli.cli.streams import failed_write

        return failed(failed_write(error))
    return 0


def leave(code: int) -> None:
    """Exit with `code`, without taking torch apart first.

    Python's own way out frees every module one by one, which for torch takes a quarter of the whole run; and it
    replaces the exit code where a stream cannot be flushed. What was registered to happen at exit still happens.
    """
    import atexit
    from contextlib import suppress

    # An exit handler of the user's own code that fails is told in a line, not in pages.
    sys.unraisablehook = _told
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.__stdout__, sys.stderr):
        # The result was flushed, and its failure reported, when it was written.
        with suppress(OSError, AttributeError, ValueError):
            stream.flush()  # type: ignore[union-attr]
    os._exit(code)


def _told(failure: "sys.UnraisableHookArgs") -> None:
    from dsconv_cli.cli.streams import say

    say("warning", f"an exit handler raised {failure.exc_type.__name__}: {failure.exc_value}")


if __name__ == "__main__":
    main()
