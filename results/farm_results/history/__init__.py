"""What the store remembers from night to night: points, comparisons, findings, nights, baselines."""
