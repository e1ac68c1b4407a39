"""What a placement costs: packets, hops, link loads, energy and time."""
