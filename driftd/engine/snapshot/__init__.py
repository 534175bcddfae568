"""What a checkpoint and a stored reference hold, and how the state comes out of them again."""
