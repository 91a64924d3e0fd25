"""What a verdict on the separable form can be. Apart from the results, which the table of keys does without."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["faster", "slower", "no detectable difference"]
