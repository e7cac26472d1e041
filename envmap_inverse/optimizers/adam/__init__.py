"""Adam, by rendering or by a recorded light transport."""
