"""Where the stages meet: the pipeline, the state and its checkpoint, the loop."""
