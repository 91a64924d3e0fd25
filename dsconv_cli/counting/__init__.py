"""Who counts: the modules that are built, and what thop and torch count on them."""
