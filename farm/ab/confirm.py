"""Two stored results, measured again in turns."""
