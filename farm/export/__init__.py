"""A measured configuration as a folder that is ready to deploy, and as an entry of a Triton repository."""
