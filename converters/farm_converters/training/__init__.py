"""Training-time optimisation: recipes, the process that walks one, and the techniques of each framework.

The host reads a recipe (``recipe.py``) and starts one process per seed (``launch.py``); in there
``farm_converters.training.FRAMEWORK.run:train`` walks the recipe's steps. ``contract.py`` says what the two
sides exchange.
"""
