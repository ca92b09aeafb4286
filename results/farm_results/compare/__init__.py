"""Two runs held against each other: what changed by more than noise, and what may not be compared at all.

``sides.compare`` takes results at hand, ``stored.compare_refs`` what a person named in a store.
"""
