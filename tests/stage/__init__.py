"""Made-up judgements for tests of what is shown of them."""
