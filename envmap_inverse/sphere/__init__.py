"""The geometry of maps of all directions. NumPy only."""
