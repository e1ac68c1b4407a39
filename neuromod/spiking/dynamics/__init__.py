"""What happens in the substeps of a time step: the neurons' hot loop, and inputs that are spikes."""
