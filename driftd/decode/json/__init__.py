"""JSON events: one quick decoder for a batch, one strict decoder that defines what is accepted."""
