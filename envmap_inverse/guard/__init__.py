"""Read the files of strangers in a child process first."""
