"""The budgeted judge: evidence against A, a guarantee for exchangeable channels, and a season model for the others."""
