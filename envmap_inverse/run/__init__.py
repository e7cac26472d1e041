"""The folder of a run: written, kept, read back."""
