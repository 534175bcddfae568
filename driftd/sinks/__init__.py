"""Where verdicts go: Prometheus, the log, a file, a topic."""
