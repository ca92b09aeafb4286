"""What runs on a device: standard library only, plus the runtime it is asked to use.

This package is the bottom of the import order. The messages that cross the link (``wire``) and the
errors that both sides share (``errors``) live here, because here is the strictest world: Python 3.8.
"""
