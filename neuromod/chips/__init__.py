"""Integer networks of real chips: one module a family, with its arithmetic in NumPy to the last bit."""
