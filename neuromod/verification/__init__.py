"""Runtimes in which exports are verified, one file each."""
