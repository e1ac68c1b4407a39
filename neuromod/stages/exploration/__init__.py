"""The exploration of grids, chips, capacities and bits, on a run's network or on a file's."""
