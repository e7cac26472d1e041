"""An environment map as the few numbers that other programs take, with their uncertainty."""
