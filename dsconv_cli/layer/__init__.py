"""What is compared: a convolution, its two forms, their closed forms, and the derivation of R×S."""
