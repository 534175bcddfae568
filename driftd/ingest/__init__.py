"""The partition side: events become counts on a reference's bins, pane by pane."""
