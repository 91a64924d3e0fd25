"""Results → pages → text. Each command has a function from its result to a `Report`, of which `formats` makes a file.

Nothing here opens a file or writes to a stream.
"""
