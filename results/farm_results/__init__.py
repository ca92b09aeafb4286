"""Results: their model, statistics, verdicts, store and reports."""

from farm_results.model import Caveat, Latency, Result, Run, Verdict

__all__ = ["Caveat", "Latency", "Result", "Run", "Verdict"]
