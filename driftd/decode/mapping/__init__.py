"""Records of any shape to events: `mapping:` in driftd.yaml says where driftd's fields are in them."""
