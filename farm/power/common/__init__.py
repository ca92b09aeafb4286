"""What several meters share."""
