"""``farm optimize``: walk a training recipe over its seeds and measure every step's network on devices."""
