"""Where an answer, an order or a name stands in a text that a model wrote as it pleased.

What cannot be read for sure is not read: it is said, and never guessed.
"""
