"""History through the same pipeline: replay, demo, reference build."""
