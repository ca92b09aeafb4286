"""``python -m tests.zoo.arch [arm64] [armhf]``: make the roots ahead of the tests, and print their archives."""

import sys

from tests.zoo.arch.recipe import main

sys.exit(main())
