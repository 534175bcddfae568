"""Values that the stages hand on: events, summaries, references, windows, findings; numpy only."""
