"""Secrets that a laptop's installation makes for itself, once."""

import base64
import json
import os
import secrets
from pathlib import Path


def load_or_create(var_dir: Path) -> dict[str, str]:
    """Read `secrets.json`, or make it; the first of several processes wins.

    Losing the file makes every stored token unreadable, so it is never overwritten.
    """
    path = var_dir / "secrets.json"
    if not path.exists():
        var_dir.mkdir(parents=True, exist_ok=True)
        fresh = {
            "secret_key": secrets.token_urlsafe(50),
            "encryption_keys": f"local:{base64.b64encode(os.urandom(32)).decode()}",
        }
        draft = path.with_name(f".secrets-{os.getpid()}-{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(fresh))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded
