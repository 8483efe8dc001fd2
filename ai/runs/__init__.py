"""What a recipe runs in: the run, the finished calls of its job, and the app that opens and closes everything."""
