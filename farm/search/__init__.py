"""Architecture search: a user's build(trial) proposes, the device measures, a short training scores.

``worker`` runs the user's code in a process of its own and asks for every choice (``talk``); ``engine`` has
Optuna answer, measures each candidate through ``farm.benchmark`` and keeps everything in a study.
"""
