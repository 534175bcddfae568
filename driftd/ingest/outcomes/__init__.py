"""Labels that come later, each joined once to the prediction that it is for (docs/labels.md)."""
