"""Members that share models: partitions are counted where they are read, a model is judged by one owner."""
