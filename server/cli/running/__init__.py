"""What happens while a command runs, for a person at a terminal."""
