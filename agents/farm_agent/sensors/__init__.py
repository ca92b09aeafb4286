"""One file per sensor; the file's name is the sensor's name (power and temperature come with later work)."""
