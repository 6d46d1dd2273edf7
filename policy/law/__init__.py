"""Rules in force, their packs, and the clocks they start."""
