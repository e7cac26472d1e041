"""`python -m envmap_inverse` is the command `envmap-inverse`."""

from envmap_inverse.cli import main

main()
