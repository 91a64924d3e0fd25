"""What runs in a measuring process."""
