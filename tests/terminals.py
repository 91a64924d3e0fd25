"""Pseudo-terminals: commands in them, what is typed, and what a person would see in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from conftest import SCRIPT, clean_environment

CTRL_C = "\x03"
_SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|(.)", re.DOTALL)
#: Far above what anything takes, however busy the machine is.
PATIENCE_S = 300.0


class Terminal:
    """`dsconv` with these arguments, in a terminal that is its own: Ctrl-C reaches it as it would from a keyboard."""

    def __init__(self, *arguments, command=(str(SCRIPT),), columns=80, lines=40, stdout=None, cwd=None, **env):
        self.size = (columns, lines)
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._modes = termios.tcgetattr(theirs)
        # The first terminal that the leader of a session opens becomes the one whose Ctrl-C it gets.
        name = os.ttyname(theirs)
        opened = 'exec "$@" <"$0" 2>"$0"' + ("" if stdout else ' >"$0"')
        self.process = subprocess.Popen(
            ["sh", "-c", opened, name, *command, *arguments],
            start_new_session=True, stdout=stdout, env=clean_environment(**env), cwd=cwd,
        )  # fmt: skip
        self._theirs = theirs
        self._raw, self._over = b"", False

    def type(self, text):
        os.write(self._ours, text.encode())

    def until(self, words):
        """Wait until they were written."""
        assert self._read(lambda: words in self.written), f"ended without {words!r}: {self.written!r}"

    def rest(self):
        """Wait for the end; the exit code. What was written after that, and how the terminal was left, is known then."""
        self._read(lambda: self.process.poll() is not None)
        assert termios.tcgetattr(self._theirs) == self._modes, "the terminal is as it was"
        os.close(self._theirs)
        self._theirs = None
        # Where nobody has it open any more, all that was written comes, and then an error.
        self._read(lambda: self._over)
        os.close(self._ours)
        return self.process.wait(0)

    def hang_up(self):
        """The window is closed."""
        os.close(self._theirs)
        os.close(self._ours)

    @property
    def written(self):
        return self._raw.decode(errors="replace").replace("\r\n", "\n")

    @property
    def screen(self):
        return Screen(self._raw.decode(errors="replace"), *self.size)

    def _read(self, done):
        end = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < end, f"still running: {self.written!r}"
            ended = self.process.poll() is not None
            if select.select([self._ours], [], [], 0.02)[0]:
                try:
                    self._raw += os.read(self._ours, 65536)
                except OSError:
                    self._over = True
            elif ended and self._theirs is not None:
                return done()
        return True


class Screen:
    """What stands on a terminal after `text`, with all that has scrolled out of sight. Knows what dsconv uses."""

    def __init__(self, text, columns, lines):
        self.rows, self.cursor_shown = [""], True
        self._row = self._column = 0
        self.columns, self._lines = columns, lines
        for asked, numbers, letter, character in _SEQUENCE.findall(text):
            if character:
                self._put(character)
            else:
                self._obey(asked, numbers, letter)

    @property
    def text(self):
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n")

    def _put(self, character):
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row += 1
            if self._row == len(self.rows):
                self.rows.append("")
        else:
            assert character.isprintable(), repr(character)
            if self._column == self.columns:
                self._put("\r")
                self._put("\n")
            row = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
            self._column += 1

    def _obey(self, asked, numbers, letter):
        if asked:
            assert (numbers, letter) in {("25", "h"), ("25", "l")}
            self.cursor_shown = letter == "h"
        elif letter == "A":
            self._row = max(self._row - int(numbers or 1), len(self.rows) - self._lines, 0)
        elif letter in "JK":
            assert numbers in {"", "0"}
            self.rows[self._row] = self.rows[self._row][: self._column]
            if letter == "J":
                del self.rows[self._row + 1 :]
        else:
            assert letter == "m", f"unknown sequence {numbers}{letter}"
