"""What is asked: words, what is piped in, saved prompts, schemas, pictures, and what went before."""
