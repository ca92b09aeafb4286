"""Training recipes on tf_keras networks, through tensorflow-model-optimization.

Keras 3 networks cannot be optimised: that library knows tf_keras alone.
"""
