"""Run the command `envmap-inverse` as `python -m envmap_inverse`."""

from envmap_inverse_command import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
