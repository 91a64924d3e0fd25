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

    sys.exit(run())


if __name__ == "__main__":
    main()
