"""What an audit raises."""


class Broken(Exception):
    """The first thing that does not agree with the leaves, in one line."""
