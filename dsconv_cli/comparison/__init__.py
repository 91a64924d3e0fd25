"""A comparison of the two forms of one layer, and the keys by which everything reads it."""
