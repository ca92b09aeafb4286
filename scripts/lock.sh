#!/bin/sh
# Write requirements.lock: every dependency of every extra, pinned and hashed, for all platforms.
# Pins that are already there stay; `scripts/lock.sh --upgrade` moves them.
cd "$(dirname "$0")/.." || exit 1
exec env -u PIP_FIND_LINKS UV_NO_CONFIG=1 uv pip compile pyproject.toml --all-extras --universal \
  --generate-hashes --no-header --quiet --output-file "${LOCK:-requirements.lock}" "$@"
