"""Solve a problem, and show the result."""
