"""Numbers out of samples: quantiles, intervals, outliers, paired differences."""
