"""Brain-inspired modular training in a PyTorch loop of the user's own."""
