"""Message bases: where the messages of an area are kept."""
