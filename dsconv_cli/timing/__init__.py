"""Measured time: what is asked of fresh processes, and what their samples say."""
