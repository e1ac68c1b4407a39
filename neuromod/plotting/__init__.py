"""Figures as files, one for each step."""
