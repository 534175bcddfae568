"""Real data that ships with driftd, for the demo, and a configuration that fits it."""
