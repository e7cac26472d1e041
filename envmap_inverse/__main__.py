"""`python -m envmap_inverse` is the command `envmap-inverse`."""

from envmap_inverse.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
