"""Many layers: grids and files of them, which results to keep, and how long runs survive.

>>> from dsconv_cli.sweep.run import Sweep
>>> from dsconv_cli.sweep.sources import parse_source
>>> sweep = Sweep(parse_source({"k": "16:64:*2", "c": "8"}), profiler="none")
>>> [(one.spec.k, float(one.cost.macs.ratio)) for one in sweep.rows()]
[(16, 5.76), (32, 7.024390243902439), (64, 7.890410958904109)]
"""
