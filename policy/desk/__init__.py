"""The review desk: cases, their queue, and the people who work on them."""
