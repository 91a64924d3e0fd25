"""An earlier result beside today's: read from a file, held to be of the same thing, compared key by key."""
