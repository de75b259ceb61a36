#!/usr/bin/env python3
"""Opens the vectors beside it without any code of Caretaker, and prints expected.json.

Usage: derive.py > expected.json. Needs the package `cryptography`, 44 or newer (for Argon2id).
"""

import hashlib
import hmac
import json
import pathlib
import struct

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

HERE = pathlib.Path(__file__).parent
PASSPHRASE = b"seven warm stones under the bridge"
SALT = bytes([7] * 32)
RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def extract(salt, ikm):
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def expand(prk, info, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([count]), "sha256")
        out, count = out + block, count + 1
    return out[:length]


def derive(ikm, salt, info):
    return expand(extract(salt, ikm), b"caretaker/v1/" + info, 32)


def fields(*parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def key_aad(scope, purpose, row, version):
    place = [scope[name].encode() for name in ("tenant", "region", "platform", "connection")]
    return fields(b"caretaker-key-1", *place, purpose, row.encode(), struct.pack(">Q", version))


def open_random(key, sealed, aad):
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)


def unsealed(document, *names):
    return (json.dumps({**document, **{name: "" for name in names}}, indent=2) + "\n").encode()


def hpke_open(private, enc, info, aad, sealed):
    """RFC 9180, base mode: X25519 and HKDF-SHA-256 (0x0020, 0x0001), AES-256-GCM (0x0002)."""

    def labeled_extract(suite, salt, label, ikm):
        return extract(salt, b"HPKE-v1" + suite + label + ikm)

    def labeled_expand(suite, prk, label, info, length):
        return expand(prk, struct.pack(">H", length) + b"HPKE-v1" + suite + label + info, length)

    kem = b"KEM" + struct.pack(">H", 0x0020)
    hpke = b"HPKE" + struct.pack(">HHH", 0x0020, 0x0001, 0x0002)
    own = X25519PrivateKey.from_private_bytes(private)
    shared = own.exchange(X25519PublicKey.from_public_bytes(enc))
    context = enc + own.public_key().public_bytes(*RAW)
    prk = labeled_extract(kem, b"", b"eae_prk", shared)
    secret = labeled_expand(kem, prk, b"shared_secret", context, 32)
    context = b"\0" + labeled_extract(hpke, b"", b"psk_id_hash", b"")
    context += labeled_extract(hpke, b"", b"info_hash", info)
    prk = labeled_extract(hpke, secret, b"secret", b"")
    key = labeled_expand(hpke, prk, b"key", context, 32)
    nonce = labeled_expand(hpke, prk, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, sealed, aad)


def open_vault():
    """The file's grant key and the newest key of both hierarchies."""
    vault = json.loads((HERE / "vault.json").read_text())
    assert hashlib.sha256(unsealed(vault, "checksum")).hexdigest() == vault["checksum"]
    seal = vault["unseal"]["passphrase"]
    outer = Argon2id(
        salt=bytes.fromhex(seal["salt"]),
        length=32,
        iterations=seal["passes"],
        lanes=seal["lanes"],
        memory_cost=seal["memory_kib"],
    ).derive(PASSPHRASE)

    def place(label, version=1):
        return fields(b"caretaker-vault-1", bytes.fromhex(vault["id"]), label, struct.pack(">Q", version))

    root = open_random(outer, bytes.fromhex(vault["root"]), place(b"root"))
    tag = hmac.digest(derive(root, b"", b"vault-file"), unsealed(vault, "mac", "checksum"), "sha256")
    assert tag.hex() == vault["mac"]
    grants = open_random(derive(root, b"", b"vault/grants"), bytes.fromhex(vault["grants"]), place(b"grants"))
    tops = []
    for name in ("data", "credentials"):
        newest = vault[name][-1]
        key = derive(root, b"", b"vault/" + name.encode())
        tops.append(
            open_random(key, bytes.fromhex(newest["sealed"]), place(name.encode(), newest["version"]))
        )
    return vault, grants, *tops


def check_operator(vault):
    operator = json.loads((HERE / "operator.key").read_text())
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(operator["seed"]))
    assert key.public_key().public_bytes(*RAW).hex() == operator["public"] == vault["operator"]


def check_grant(key):
    grant = json.loads((HERE / "grant.json").read_text())
    assert grant["expires_at"] == "2026-11-24T13:00:00Z"
    canonical = fields(
        b"caretaker-grant-2",
        bytes.fromhex(grant["id"]),
        grant["principal"].encode(),
        *(grant["scope"][name].encode() for name in ("tenant", "region", "platform", "connection")),
        fields(*(action.encode() for action in grant["actions"])),
        grant["purpose"].encode(),
        (1795525200 * 10**9).to_bytes(16, "big", signed=True),
    )
    assert hmac.digest(key, canonical, "sha256") == bytes(grant["seal"])


def open_data_key(top):
    document = json.loads((HERE / "data-key.json").read_text())
    scope, kid, kek = document["scope"], document["kid"], document["kek"]
    region_platform = fields(scope["region"].encode(), scope["platform"].encode())
    key = derive(top, b"", b"kek/data/" + region_platform)
    aad = key_aad(scope, b"data-key", kid, kek["version"])
    both = open_random(key, bytes.fromhex(kek["sealed"]), aad)

    recovery = json.loads((HERE / "recovery.key").read_text())
    copy = document["recipients"][0]
    assert copy["key"] == hashlib.sha256(bytes.fromhex(recovery["public"])).hexdigest()[:32]
    recovered = hpke_open(
        bytes.fromhex(recovery["private"]["clear"]),
        bytes.fromhex(copy["enc"]),
        b"caretaker/v1/recovery/" + copy["key"].encode(),
        key_aad(scope, b"data-key-recovery", kid, 0),
        bytes.fromhex(copy["sealed"]),
    )
    assert recovered == both

    data, hashes = both[:32], both[32:]
    plain = json.dumps({**document, "mac": ""}, separators=(",", ":")).encode()
    assert hmac.digest(derive(data, b"", b"data-key-document"), plain, "sha256").hex() == document["mac"]
    return scope, kid, data, hashes


def check_credential(top, scope):
    document = json.loads((HERE / "credential.json").read_text())
    region_platform = fields(scope["region"].encode(), scope["platform"].encode())
    key = derive(top, b"", b"kek/credentials/" + region_platform)
    aad = key_aad(scope, b"credential", "token", document["version"])
    assert open_random(key, bytes.fromhex(document["sealed"]), aad) == b"shpat_vector"


def main():
    vault, grants, data_top, credential_top = open_vault()
    check_operator(vault)
    check_grant(grants)
    scope, kid, data, hashes = open_data_key(data_top)
    check_credential(credential_top, scope)

    purposes = ("pack", "index", "commit", "media", "subject-table", "checkpoint", "state", "spool")
    block = bytes(4) + struct.pack(">Q", 258)
    subject, subject_key, nonce = bytes([0x11] * 16), bytes(range(32)), bytes(range(12))
    wrap = AESGCM(derive(data, b"", b"subject-wrap"))
    record = AESGCM(derive(subject_key, SALT, b"record/" + struct.pack(">Q", 772)))
    expected = {
        "kid": kid,
        "objects": {
            name: AESGCM(derive(data, SALT, name.encode())).encrypt(block, b"text", b"place").hex()
            for name in purposes
        },
        "hashes": {
            name: hmac.digest(derive(hashes, b"", name.encode()), b"content", "sha256").hex()
            for name in ("content-hash", "media-name", "subject-tag")
        },
        "subject_key_wrapped": (nonce + wrap.encrypt(nonce, subject_key, subject)).hex(),
        "record": record.encrypt(bytes(12), b"record", b"place").hex(),
    }
    print(json.dumps(expected, indent=2))


if __name__ == "__main__":
    main()
