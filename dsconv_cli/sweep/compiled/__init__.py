"""What is worked out for many layers alike: the keys' own functions are run once on letters in place of numbers.

What comes out are formulas, which are written down as a short program and run for each layer. So a metric, a form or a
key stands once, in its table, and costs a sweep no more than the arithmetic in it.
"""
