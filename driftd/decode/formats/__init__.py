"""What serving platforms write: one module a format, each with its ``opener`` (driftd.decode.opening)."""
