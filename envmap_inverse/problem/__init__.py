"""What is to be solved, and what a solver gives back."""
