"""Trained weights in separable form: the best pair, what it loses, and whether there is anything to lose. No torch."""
