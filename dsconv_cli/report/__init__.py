"""Results → pages → text. Each command has a function from its result to a `Report`; `formats` knows what to make of it.

Nothing here opens a file or writes to a stream.
"""
