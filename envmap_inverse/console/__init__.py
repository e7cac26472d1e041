"""What the commands share: options, pictures, output, logs, signals."""
