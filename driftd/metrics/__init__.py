"""The metrics: their catalogue, the series of each model, the text format."""
