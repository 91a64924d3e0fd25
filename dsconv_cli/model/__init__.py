"""A whole network: its layers, what can be replaced, the totals before and after.

`result`, `keys`, `choose`, `tree` and `timing` need no torch; all others do, which is why nothing is imported here.
They follow a network on its way: `target` and `source` have it, `copying` copies it, `inputs` calls it, `walk` watches
it with `operators` and `constants`, `layers` and `reasons` make rows of that, `choose` decides, `replacing` exchanges,
`trial` runs both, `notes` says what is to be said, and `analysis` is all of it.
"""

from __future__ import annotations
