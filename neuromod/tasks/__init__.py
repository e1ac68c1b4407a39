"""Trial generators of cognitive tasks."""
