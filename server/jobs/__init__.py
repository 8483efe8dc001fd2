"""Runs as jobs: started in the background by a door, claimed and done by a worker."""
