"""Find the best configuration of a model on a device by measuring there, and no more than it takes.

``space`` says what there is to try, ``search`` (Optuna) what to try next, ``rounds`` measures it through
``farm.benchmark``, ``halving`` says what deserves a closer look, ``front`` who wins, ``best`` writes it down.
"""
