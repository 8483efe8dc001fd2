"""What came over the wire, before anybody believes it: bodies that end, no way elsewhere, values read by their type."""
