"""Parts that the commands share: options, pictures, output, logs, signals."""
