"""The run directory: where artefacts live, what made them, how a step is typed again."""
