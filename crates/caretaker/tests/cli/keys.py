#!/usr/bin/env python3
"""Prints the keys that a vault's file holds, those that follow from them, and the data keys of connections that it opens, in
hexadecimal, each with its name before it.

Usage: keys.py CELL PASSPHRASE. Without any code of Caretaker. Needs the package `cryptography`, 44 or newer.
"""

import hmac
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


def derive(key, label):
    """HKDF-SHA-256, one block."""
    return hmac.digest(hmac.digest(bytes(32), key, "sha256"), b"caretaker/v1/" + label + b"\x01", "sha256")


def fields(*parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def data_key(path, top):
    document = json.loads(path.read_text())
    scope, kek = document["scope"], document["kek"]
    names = [scope[name].encode() for name in ("tenant", "region", "platform", "connection")]
    key = derive(top, b"kek/data/" + fields(*names[1:3]))
    row, version = document["kid"].encode(), struct.pack(">Q", kek["version"])
    aad = fields(b"caretaker-key-1", *names, b"data-key", row, version)
    sealed = bytes.fromhex(kek["sealed"])
    return scope["platform"], AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)[:32]


def main(cell, passphrase):
    vault = json.loads((pathlib.Path(cell) / "vault/vault.json").read_text())
    seal = vault["unseal"]["passphrase"]
    kdf = Argon2id(
        salt=bytes.fromhex(seal["salt"]),
        length=32,
        iterations=seal["passes"],
        lanes=seal["lanes"],
        memory_cost=seal["memory_kib"],
    )

    def opened(key, label, sealed, version=1):
        place = fields(b"caretaker-vault-1", bytes.fromhex(vault["id"]), label, struct.pack(">Q", version))
        sealed = bytes.fromhex(sealed)
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], place)

    root = opened(kdf.derive(passphrase.encode()), b"root", vault["root"])
    print("grants", opened(derive(root, b"vault/grants"), b"grants", vault["grants"]).hex())
    for name, label in (("log", b"trail-log"), ("witness", b"trail-witness"), ("authority", b"authority")):
        print(name, derive(root, b"sign/" + label).hex())
    for ring in ("data", "credentials"):
        key = derive(root, b"vault/" + ring.encode())
        for version in vault[ring]:
            top = opened(key, ring.encode(), version["sealed"], version["version"])
            print(f"{ring}-{version['version']}", top.hex())
            if ring == "data":
                for path in sorted(pathlib.Path(cell).glob("keys/t/*/*/*/data-key/*")):
                    platform, opened_key = data_key(path, top)
                    print(f"of-{platform}", opened_key.hex())


main(*sys.argv[1:])
