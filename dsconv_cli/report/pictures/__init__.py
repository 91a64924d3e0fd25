"""Pictures: of a sweep (`drawing`, shown by `figure` or `terminal`), of a network, of a layer under its roof."""
