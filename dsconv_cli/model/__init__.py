"""A whole network: its layers, what can be replaced, the totals before and after.

`result`, `choose`, `tree` and `document` are pure; `source`, `target`, `copying`, `walk`, `layers` and `analysis`
import torch, which is why names are imported only when they are used.
"""

from __future__ import annotations
