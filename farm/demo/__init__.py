"""A simulated fleet through the real code: every page has something to show, and nothing was measured."""
