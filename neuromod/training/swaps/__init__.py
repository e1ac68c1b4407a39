"""Neurons trade places where that makes their wiring cheaper."""
