"""Training: settings, the loop, what wiring costs, swaps of neurons, and the cores that it trains for."""
