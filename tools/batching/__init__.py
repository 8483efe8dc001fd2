"""The batch as a job: its specification, its run on one machine, in slices on a fleet, and how it is called off."""
