"""A model for others: its card, its repository on the Hub, and which models a person is in."""
