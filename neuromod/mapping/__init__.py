"""Neurons onto cores: the problem, the placers, the limits, the placement."""
