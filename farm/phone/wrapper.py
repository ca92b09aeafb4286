"""The script that stands for the bundle's Python: ``sys.executable`` on a phone."""

from __future__ import annotations

from farm.phone import pins

PATH = "bin/python"
LIBRARIES = "lib/system"
SHELL = "/system/bin/sh"


def script(arch: str) -> bytes:
    """Start the bundle's interpreter through its own loader, for a phone has no C library that it knows.

    Without LD_PRELOAD and LD_LIBRARY_PATH, which would be those of Android's. ``TMPDIR`` and ``HOME`` become
    folders below farm's own: a phone has no /tmp, and its shell's user no home. A user's own native
    tools are found in ``tools`` of farm's folder, or beside it.
    """
    loader = pins.LOADERS[arch]
    return f"""#!{SHELL}
bundle=${{0%/{PATH}}}
farm=${{bundle%/*/*}}
unset LD_PRELOAD LD_LIBRARY_PATH PYTHONHOME PYTHONPATH
export TMPDIR="$farm/tmp" HOME="$farm"
[ -d "$TMPDIR" ] || mkdir -p "$TMPDIR"
case ":$PATH:" in
*":$farm/tools:"*) ;;
*) export PATH="$farm/tools:$PATH:/data/local/tmp" ;;
esac
exec "$bundle/{LIBRARIES}/{loader}" --argv0 "$0" --library-path "$bundle/{LIBRARIES}" \\
  "$bundle/bin/python{pins.PYTHON}" "$@"
""".encode()
