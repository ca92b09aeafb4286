"""Files of an export, copied as they are: they import each other by plain names, numpy and one runtime."""
