"""Files of events: JSON lines, CSV, Parquet."""
