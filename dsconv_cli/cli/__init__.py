"""The command line: arguments in, streams and exit codes out."""

from dsconv_cli.cli.main import run

__all__ = ["run"]
