"""The cores that a network is trained for, and their limits."""
