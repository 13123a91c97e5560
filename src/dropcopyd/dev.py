"""`dropcopyd dev`: a folder with an organization, a paper account, a key and a certificate, made at the first start.

Started again on the same folder, everything is as it was: the same ids, the same key, the same certificate.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import trustme

from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.access import digest, mint_key
from dropcopyd.node import read_pepper
from dropcopyd.ports import Clock, Ids
from dropcopyd.store.admin import Admin

IDENTITY_NAME: Final = "dev.json"
CA_NAME: Final = "dev-ca.pem"
CERTIFICATE_NAME: Final = "dev-certificate.pem"
KEY_NAME: Final = "dev-key.pem"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who trades in a development folder."""

    organization_id: str
    account_id: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of the development CA and of the server's certificate for localhost and 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path


def settle_identity(folder: Path, clock: Clock, ids: Ids, settings: str = "") -> Identity:
    """The folder's organization, account and key; made when it has none, with those settings of its paper account."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / IDENTITY_NAME
    if path.exists():
        try:
            return Identity(**json.loads(path.read_text("utf-8")))
        except (TypeError, ValueError) as error:
            message = f"{path} is not what `dropcopyd dev` wrote there; move it away for another key"
            raise DropcopyError(Code.INVALID_CONFIGURATION, message) from error
    key_id, api_key = mint_key(ids)
    identity = Identity(ids.uuid(), ids.uuid(), api_key)
    admin = Admin(folder, clock.now_ns())
    try:
        organization_id = admin.find_organization("dev")
        if organization_id is None:
            admin.add_organization(identity.organization_id, "dev")
            organization_id = identity.organization_id
        account_id = admin.find_account(organization_id, "paper")
        if account_id is None:
            admin.add_account(identity.account_id, organization_id, "paper", BrokerKind.PAPER, settings)
            account_id = identity.account_id
        admin.add_key(key_id, organization_id, "dev", digest(read_pepper(folder, ids), api_key), Scope)
    finally:
        admin.close()
    identity = Identity(organization_id, account_id, api_key)
    _write_secret(path, json.dumps(asdict(identity)).encode())
    return identity


def account_settings(folder: Path, clock: Clock, identity: Identity) -> str:
    """The settings that the folder's paper account was added with."""
    admin = Admin(folder, clock.now_ns())
    try:
        return admin.broker_settings(identity.account_id)
    finally:
        admin.close()


def settle_certificate(folder: Path) -> Certificate:
    """The folder's development certificate; made when it has none. The CA's own key is kept nowhere."""
    files = Certificate(folder / CA_NAME, folder / CERTIFICATE_NAME, folder / KEY_NAME)
    if files.ca.exists() and files.certificate.exists() and files.key.exists():
        return files
    authority = trustme.CA(organization_name="Dropcopy development")
    issued = authority.issue_cert("localhost", "127.0.0.1", "::1")
    authority.cert_pem.write_to_path(str(files.ca))
    issued.private_key_pem.write_to_path(str(files.key))
    files.key.chmod(0o600)
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return files


def _write_secret(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by its owner only."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
