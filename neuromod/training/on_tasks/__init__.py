"""Training on tasks: the trials of a step, and how they are dealt out."""
