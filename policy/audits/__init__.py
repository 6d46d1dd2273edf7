"""What regulators take with them, and whether the log and the rows agree."""
