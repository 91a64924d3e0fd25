"""A whole network: its layers, what can be replaced, the totals before and after.

`result`, `choose`, `tree`, `document` and `timing` need no torch; `source`, `target`, `inputs`, `copying`, `walk`,
`layers`, `analysis` and `workload` do, which is why nothing is imported here.
"""

from __future__ import annotations
