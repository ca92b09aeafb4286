"""What runs on a device: standard library only, plus the runtime it is asked to use.

This package is the bottom of the import order. The messages that cross the link (``wire``) and the
errors that both sides share (``errors``) live here, because here is the strictest world: Python 3.8.
"""

import os

# ONNX Runtime from 1.29 on tells its maker which models it loads, keeps an identifier and a database below
# ~/.cache/Microsoft, and uploads from a thread of its own while it is measured. Read when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
