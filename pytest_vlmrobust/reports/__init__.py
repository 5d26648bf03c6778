"""Reports: what a session shows and writes."""
