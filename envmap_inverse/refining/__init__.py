"""Refine numbers of a scene that are nearly known: cameras, poses, materials."""
