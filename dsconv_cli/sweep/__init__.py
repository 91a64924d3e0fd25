"""Many layers: grids and files of them, which results to keep, and how long runs survive."""
