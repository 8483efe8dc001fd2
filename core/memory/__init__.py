"""What was said before: threads, in `threads.db` with a full-text index."""
