"""Entry of the zipapp and of ``python -m farm_agent``.

Parseable by every Python 3, so that one that is too old gets a readable answer instead of a trace.
"""

import json
import os
import sys

OLDEST = (3, 8)


def too_old(version):  # type: ignore # noqa: ANN001, ANN201, PGH003 - older Pythons parse this
    """The reply line for a Python below 3.8, as wire.Reply encodes it; "" when it is new enough."""
    if tuple(version[:2]) >= OLDEST:
        return ""
    name = ".".join(str(part) for part in version[:3])
    failure = {
        "blame": "infrastructure",
        "code": "device.python-too-old",
        "message": "the agent needs Python 3.8 or newer; this is Python " + name,
        "fix": "install python3.8 or newer on the device and name it with --python",
    }
    return json.dumps({"wire": 1, "body": None, "failure": failure}, sort_keys=True)


def run():  # type: ignore # noqa: ANN201, PGH003
    """Check the Python, make the package importable when started by path, and hand over."""
    line = too_old(sys.version_info)  # type: ignore # noqa: PGH003
    if line:
        sys.stdout.write(line + "\n")
        return 0
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - Python 3.3 has no pathlib
    if os.path.basename(here) == "farm_agent" and not __package__:  # noqa: PTH119
        # Started as a plain file: its folder must not stand on the path, its names would hide others.
        sys.path[0] = os.path.dirname(here)  # noqa: PTH120
    from farm_agent.cli import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())  # type: ignore # noqa: PGH003
