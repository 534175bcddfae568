"""How right a model is: sums over events that have a label and a prediction, and what follows from them."""
