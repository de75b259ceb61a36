#!/usr/bin/env python3
"""Makes objects that open and say what they must not: as a faulty or hostile writer with the keys could.

    forge.py GOLDEN_DIR

Written for crates/repository/tests/golden/v1, once, by hand: adds `bad/forged-*` there. What each case is to be
refused with stands beside it.
"""

import json
import os
import sys
from hashlib import sha256
from pathlib import Path

import zstandard
from read_store import LAST, Store, recovery_key

golden = Path(sys.argv[1])
place = "jsonl/default/shop"
store = Store(golden / "store", golden / "keys", recovery_key(golden / "recovery.key", None), place)
head = next(store.chain())
head_name = head.pop("name")
sealed_head = (store.store / "commit" / head_name).read_bytes()


def compressed(plain):
    return zstandard.ZstdCompressor().compress(plain)


def seal(label, prefix, name, packed):
    """A whole object with this text behind the header."""
    header = prefix[:24] + os.urandom(32)
    cipher = store.header(header, label)[2]
    return header + cipher.encrypt(bytes(4) + LAST.to_bytes(8, "big"), packed, store.aad(name, LAST))


def write(case, path, data, error):
    told = {"object": str(path.relative_to(golden)), "error": error}
    (golden / "bad" / f"forged-{case}.json").write_text(json.dumps(told) + "\n")
    (golden / "bad" / f"forged-{case}.object").write_bytes(data)


def commit(case, error, changes=None, packed=None):
    """A commit that follows the head, changed, or with any text at all."""
    content = {**head, "number": head["number"] + 1}
    content["ancestors"] = [{"name": head_name, "taken_at": head["taken_at"]}]
    content.update(changes or {})
    generation = head["generation"]
    stem = f"{head['number'] + 1:020}-{generation['counter']:020}-{generation['lease']}"
    data = seal("commit", sealed_head, f"commit/{stem}", packed or compressed(json.dumps(content).encode()))
    write(case, store.store / "commit" / f"{stem}-{sha256(data).hexdigest()}", data, error)


contradicts = "it contradicts its name or its place"
commit("commit-future-format", contradicts, {"format": 2})
commit("commit-of-another-connection", contradicts, {"scope": {**head["scope"], "connection": "twin"}})
commit("commit-of-another-region", contradicts, {"scope": {**head["scope"], "region": "us"}})
commit("commit-other-number", contradicts, {"number": head["number"] + 2})
commit("commit-other-generation", contradicts, {"generation": {**head["generation"], "counter": 1}})
commit("commit-without-parent", contradicts, {"ancestors": []})
commit("commit-that-skips-its-parent", contradicts, {"ancestors": head["ancestors"]})
commit("commit-unknown-role", "it is not a commit", {"role": "rumour"})
commit("commit-not-json", "it is not a commit", packed=compressed(b"{"))
without_size = zstandard.ZstdCompressor(write_content_size=False).compress(json.dumps(head).encode())
commit("frame-without-size", "a compressed block has no sensible length", packed=without_size)
# A frame header that promises 1 TiB (RFC 8878, 3.1.1.1: eight bytes of size, single segment), and nothing behind it.
promise = bytes.fromhex("28b52ffd") + bytes([0b1110_0000]) + (1 << 40).to_bytes(8, "little")
commit("frame-that-promises-too-much", "a compressed block has no sensible length", packed=promise)
commit("frame-not-one", "a compressed block has no sensible length", packed=b"no frame at all")
components = json.loads(json.dumps(head["components"]))
components[0]["parts"][0]["tail"] = components[0]["parts"][0]["size"] + 1
commit("commit-impossible-lengths", "a commit gives it impossible lengths", {"components": components})
components = json.loads(json.dumps(head["components"]))
components[0]["parts"][0]["tail"] -= 1
commit("commit-other-tail", "its trailer contradicts the commit", {"components": components})
components = json.loads(json.dumps(head["components"]))
components[0]["parts"][0]["id"] = "0" * 32
commit("commit-names-no-pack", "is missing from the store", {"components": components})

table = min((store.keys / "subjects").iterdir())
sealed_table, name = table.read_bytes(), "subjects/" + table.name
plain = store.whole(sealed_table, "subject-table", name)
not_one = "it is not a table of keys"
empty = seal("subject-table", sealed_table, name, compressed(b"\0\0"))
write("table-without-the-key", table, empty, "is missing from it and is not listed as destroyed")
write("table-cut", table, seal("subject-table", sealed_table, name, compressed(plain[:-1])), not_one)
write("table-too-long", table, seal("subject-table", sealed_table, name, compressed(plain + b"\0")), not_one)
long_zero = seal("subject-table", sealed_table, name, compressed(b"\x80\0\0"))
write("table-number-misspelt", table, long_zero, not_one)
