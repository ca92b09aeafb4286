"""Training-time optimisation with PyTorch: one file per technique."""
