"""Flat files, CSV and Parquet: columns to event batches."""
