"""What leaves the office by itself: events to the webhooks of members, statements to the transparency database."""
