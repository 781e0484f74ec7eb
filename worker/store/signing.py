"""Addresses of stored files that need no key: signed, and valid for a while (api-contract.md section 2.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from functools import partial
from urllib.parse import urlencode

from worker.engine.variables import File, FileURL

#: Of a produced file without an extension: the address of such a file must have one.
NO_EXTENSION = ".bin"


class FileLinks:
    """Makes and checks addresses. Each app has a signing key of its own, derived from the secret of the deployment.

    So a workflow that writes a file mapping with the id of another app's file into its outputs gets an address that opens nothing.
    """

    def __init__(self, secret: str, base_url: str, ttl_s: float) -> None:
        self._secret = secret.encode()
        self._base_url = base_url.rstrip("/")
        self._ttl_s = ttl_s

    def of_app(self, app_id: str) -> FileURL:
        """Makes the addresses that are shown to clients of one app."""
        return partial(self.url, app_id=app_id)

    def url(self, file: File, app_id: str = "") -> str:
        """A fresh address; that of a remote file is its own. Without ``app_id`` the file's owner signs, who must then be known."""
        if file.related_id is None:
            return file.remote_url or ""
        if file.transfer_method == "tool_file":
            path = f"/files/tools/{file.related_id}{file.extension or NO_EXTENSION}"
        else:
            path = f"/files/{file.related_id}/file-preview"
        return f"{self._base_url}{path}?{self._query(app_id or file.tenant_id, file.related_id)}"

    def verify(self, app_id: str, file_id: str, timestamp: str, nonce: str, sign: str) -> bool:
        """Whether a query was made here for this file of this app, and not too long ago."""
        if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
            return False
        is_fresh = time.time() - int(timestamp) <= self._ttl_s
        return hmac.compare_digest(self._sign(app_id, file_id, timestamp, nonce).encode(), sign.encode("utf-8", "replace")) and is_fresh

    def _query(self, app_id: str, file_id: str) -> str:
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        return urlencode({"timestamp": timestamp, "nonce": nonce, "sign": self._sign(app_id, file_id, timestamp, nonce)})

    def _sign(self, app_id: str, file_id: str, timestamp: str, nonce: str) -> str:
        key = hmac.digest(self._secret, app_id.encode(), hashlib.sha256)
        signed = f"file-preview|{file_id}|{timestamp}|{nonce}".encode("utf-8", "replace")
        return base64.urlsafe_b64encode(hmac.digest(key, signed, hashlib.sha256)).decode("ascii")
