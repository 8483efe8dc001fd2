"""One answer against another, by judges kept clear of what biases them; and one answer out of many."""
