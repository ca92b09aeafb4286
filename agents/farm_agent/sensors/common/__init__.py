"""What several sensors share: bounds of what can be true, files of the kernel, commands with a deadline."""
