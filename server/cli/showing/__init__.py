"""What is shown in the end, and of what is over."""
