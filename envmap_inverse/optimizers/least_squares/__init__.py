"""Reweighted least squares on a recorded light transport."""
