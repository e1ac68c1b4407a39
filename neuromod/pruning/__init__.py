"""What a network does not need goes: weak synapses, then what costs packets."""
