"""``python -m tests.zoo.android``: make the phone's root and its Python ahead of the tests."""

from __future__ import annotations

import sys

from farm.phone import build
from tests.zoo.android import root


def main() -> int:
    """Both, into the cache that the tests look in."""
    print(root.ready())
    print(build.build("x86_64", root.CACHE, say=print).path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
