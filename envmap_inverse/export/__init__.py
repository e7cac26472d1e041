"""Light in the files of other programs: one program a file, each a function that makes bytes."""
