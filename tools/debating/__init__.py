"""The words of a debate, and how what is said in it is read."""
