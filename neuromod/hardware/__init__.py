"""What a chip is, without neurons placed on it: targets, grids, routes, packets, resources."""
