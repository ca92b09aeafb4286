"""HTTP digest authentication (RFC 7616) with SHA-256 or MD5, as plugs ask for it."""

from __future__ import annotations

import hashlib
import re
import secrets

_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5, "": hashlib.md5}


def answer(challenge: str, user: str, password: str, path: str) -> str:
    """The Authorization header for a GET of ``path``; "" for a challenge that is no digest we know."""
    if not challenge.lower().startswith("digest "):
        return ""
    fields = {name.lower(): quoted or plain for name, quoted, plain in _FIELD.findall(challenge[:2000])}
    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    algorithm = fields.get("algorithm", "")
    make = _HASHES.get(algorithm.upper())
    if make is None or "auth" not in fields.get("qop", "").split(",") or not nonce:
        return ""

    def digest(text: str) -> str:
        return str(make(text.encode()).hexdigest())

    count, own = "00000001", secrets.token_hex(8)
    secret = digest(f"{user}:{realm}:{password}")
    response = digest(f"{secret}:{nonce}:{count}:{own}:auth:{digest(f'GET:{path}')}")
    parts = [
        f'username="{user}"',
        f'realm="{realm}"',
        f'nonce="{nonce}"',
        f'uri="{path}"',
        f"nc={count}",
        f'cnonce="{own}"',
        "qop=auth",
        f'response="{response}"',
    ]
    if algorithm:
        parts.append(f"algorithm={algorithm}")
    return f"Digest {', '.join(parts)}"
