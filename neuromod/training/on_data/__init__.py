"""Training on trials of a user's own: defaults that suit them, batches, scaling, early stopping, going on."""
