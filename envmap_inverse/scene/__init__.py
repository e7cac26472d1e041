"""Scenes: load and check their files, reach their parameters and map, render them."""
