"""Energy per inference: traces of sensors and meters, brought on one clock and integrated."""
