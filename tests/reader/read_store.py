#!/usr/bin/env python3
"""Reads a Caretaker store, written from docs/format.md alone (§ names its sections).

    read_store.py STORE KEYS RECOVERY_KEY PASSPHRASE_FILE|- PLATFORM/TENANT/CONNECTION snapshots | records NUMBER | media HASH

STORE and KEYS are directories. Snapshots and records are printed as one JSON object a line, payloads in hexadecimal,
media as their bytes. Needs the packages `cryptography` and `zstandard`.
"""

import heapq
import hmac
import json
import sys
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from struct import pack, unpack

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hpke import hpke_open

LAST, CHUNK, HEADER = 2**64 - 1, 8 * 1024 * 1024, 56
TYPES = {"pack": 1, "index": 2, "commit": 3, "media": 4, "subject-table": 5}


def need(condition, what):
    if not condition:
        sys.exit(f"damaged: {what}")


def fields(*parts):
    return b"".join(pack(">I", len(part)) + part for part in parts)


def derive(key, salt, info):
    return HKDF(hashes.SHA256(), 32, salt or None, b"caretaker/v1/" + info).derive(key)


def open_short(key, sealed, aad):
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)


def decompress(packed):
    size = zstandard.get_frame_parameters(packed).content_size
    need(0 <= size <= 256 * 1024 * 1024, "a frame without a sensible size")
    return zstandard.ZstdDecompressor().decompress(packed) if size else b""


class Bytes:
    """§1: numbers and counted bytes, from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        need(self.at + length <= len(self.data), "bytes are missing")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self):
        value = shift = 0
        while (byte := self.take(1)[0]) > 0x7F:
            value, shift = value | (byte & 0x7F) << shift, shift + 7
        value |= byte << shift
        need(value < 2**64 and (byte or not shift), "a number is misspelt")
        return value

    def counted(self):
        return self.take(self.number())

    def rest(self):
        return self.take(len(self.data) - self.at)


def recovery_key(path, passphrase_file):
    """§4: the private and the public half."""
    document = json.loads(Path(path).read_bytes())
    need(document["format"] == "caretaker-recovery-key-1", "not a recovery key of this format")
    unsummed = json.dumps({**document, "checksum": ""}, indent=2) + "\n"
    need(sha256(unsummed.encode()).hexdigest() == document["checksum"], "the recovery key's checksum differs")
    public = bytes.fromhex(document["public"])
    if "clear" in document["private"]:
        return bytes.fromhex(document["private"]["clear"]), public
    seal = document["private"]["passphrase"]["seal"]
    need(seal["memory_kib"] >= 65536 and seal["passes"] >= 3 and len(seal["salt"]) >= 64, "a weak seal")
    passphrase, salt = Path(passphrase_file).read_bytes().rstrip(b"\r\n"), bytes.fromhex(seal["salt"])
    work = {"iterations": seal["passes"], "lanes": seal["lanes"], "memory_cost": seal["memory_kib"]}
    place = fields(b"caretaker-recovery-key-1", document["recipient"].encode(), public)
    sealed = bytes.fromhex(document["private"]["passphrase"]["sealed"])
    return open_short(Argon2id(salt=salt, length=32, **work).derive(passphrase), sealed, place), public


class Store:
    def __init__(self, store, keys, recovery, place):
        (self.platform, *self.place), self.recovery = place.split("/"), recovery
        self.store, self.keys = Path(store, "t", place), Path(keys, "t", place)
        self.data_keys, self.segments, self.tables = {}, {}, {}

    def data_key(self, kid):
        """§4: data key, hash key and scope of a wrapped key."""
        if kid not in self.data_keys:
            document = json.loads((self.keys / "data-key" / kid).read_bytes())
            need((document["format"], document["kid"]) == ("caretaker-data-key-1", kid), "another data key")
            scope = document["scope"]
            need([scope[name] for name in ("platform", "tenant", "connection")] == [self.platform, *self.place], "a foreign data key")
            private, public = self.recovery
            mine = sha256(public).hexdigest()[:32]
            copy = next(copy for copy in document["recipients"] if copy["key"] == mine)
            names = [scope[name].encode() for name in ("tenant", "region", "platform", "connection")]
            aad = fields(b"caretaker-key-1", *names, b"data-key-recovery", kid.encode(), bytes(8))
            enc, sealed = bytes.fromhex(copy["enc"]), bytes.fromhex(copy["sealed"])
            both = hpke_open(private, enc, b"caretaker/v1/recovery/" + mine.encode(), aad, sealed)
            unsigned = json.dumps({**document, "mac": ""}, separators=(",", ":")).encode()
            mac = hmac.digest(derive(both[:32], b"", b"data-key-document"), unsigned, "sha256").hex()
            need(mac == document["mac"], "the data key's document was changed")
            self.data_keys[kid] = both[:32], both[32:], scope
        return self.data_keys[kid]

    def header(self, data, label):
        """§5: the header's data key, its salt and the object's cipher."""
        need(data[:8] == b"CTKR" + bytes([1, TYPES[label], 0, 0]), f"not a {label} of format 1")
        key, salt = self.data_key(data[8:24].hex()), data[24:HEADER]
        return key, salt, AESGCM(derive(key[0], salt, label.encode()))

    def aad(self, name, block, record=0):
        place = fields(b"caretaker-block-1", *(part.encode() for part in self.place), name.encode())
        return place + fields(pack(">Q", block), pack(">Q", record))

    def open(self, cipher, number, text, name):
        return cipher.decrypt(bytes(4) + pack(">Q", number), text, self.aad(name, number))

    def whole(self, data, label, name):
        return decompress(self.open(self.header(data, label)[2], LAST, data[HEADER:], name))

    def commit(self, name):
        """§9: a commit, checked."""
        data = (self.store / "commit" / name).read_bytes()
        number, counter, lease, digest = name.split("-")
        need(sha256(data).hexdigest() == digest, f"commit {name}")
        commit = json.loads(self.whole(data, "commit", "commit/" + name.removesuffix("-" + digest)))
        parent = int(commit["ancestors"][0]["name"].split("-")[0]) if commit["ancestors"] else 0
        need(commit["format"] == 1 and commit["number"] == int(number) == parent + 1, "a commit's place")
        need(commit["generation"] == {"counter": int(counter), "lease": lease}, "a commit's generation")
        need(commit["scope"] == self.header(data, "commit")[0][2], "a commit's scope")
        return {"name": name, **commit}

    def chain(self):
        """The head and what is before it."""
        names = [path.name for path in (self.store / "commit").iterdir() if "#" not in path.name]
        commit = self.commit(max(names))
        yield commit
        while commit["ancestors"]:
            commit = self.commit(commit["ancestors"][0]["name"])
            yield commit

    def snapshots(self):
        head = next(self.chain())
        for commit in self.chain():
            pruned = any(start <= commit["number"] <= end for start, end in head.get("pruned", []))
            if commit["role"] == "snapshot" and not pruned:
                yield commit

    def segment(self, label, ref):
        if ref["id"] not in self.segments:
            self.segments[ref["id"]] = Segment(self, label, ref)
        return self.segments[ref["id"]]

    def subject_key(self, tag):
        """§10: a person's key; None where it was destroyed."""
        if tag[0] not in self.tables:
            paths = [path for path in (self.keys / "subjects").glob(f"{tag[0]:02x}-*") if "#" not in path.name]
            wrote = [commit["generation"] for commit in (self.chain() if len(paths) > 1 else [])]
            leases = {f"{wrote['counter']:016x}{wrote['lease'][:16]}" for wrote in wrote}
            counts = [path for path in paths if path.name[20:] in leases] or paths
            path = max(counts, key=lambda path: (path.name[20:], path.name))
            data = path.read_bytes()
            table = Bytes(self.whole(data, "subject-table", "subjects/" + path.name))
            keys = {table.take(16): table.take(60) for _ in range(table.number())}
            destroyed = {table.take(16) for _ in range(table.number())}
            wrapping = derive(self.header(data, "subject-table")[0][0], b"", b"subject-wrap")
            self.tables[tag[0]] = keys, destroyed, wrapping
        keys, destroyed, wrapping = self.tables[tag[0]]
        need(tag in keys or tag in destroyed, "a person's key is missing")
        return open_short(wrapping, keys[tag], tag) if tag in keys else None

    def entries(self, component):
        """A component's versions, in order."""
        for part in component["parts"]:
            segment = self.segment({"packs": "pack", "index": "index"}[component["type"]], part)
            for block in range(len(segment.footer["entries"])):
                yield from segment.entries(block, component["from"], part)

    def records(self, number):
        """§9: the versions that count in a snapshot, but for those whose person was erased."""
        seen, all_entries = None, map(self.entries, next(self.chain())["components"])
        for (kind, ident, minus), place, tag in heapq.merge(*all_entries, key=lambda entry: entry[0]):
            if -minus <= number and (kind, ident) != seen:
                seen = kind, ident
                if place and (record := self.segment("pack", place[0]).record(place[1], tag)):
                    yield {"kind": kind.decode(), "id": ident.decode(), "number": -minus, **record}

    def media(self, name):
        """§11."""
        data, plain = (self.store / "media" / name[:2] / name).read_bytes(), b""
        key, _, cipher = self.header(data, "media")
        for turn, at in enumerate(range(HEADER, len(data), CHUNK + 16)):
            sealed = data[at : at + CHUNK + 16]
            plain += self.open(cipher, LAST if at + len(sealed) == len(data) else turn, sealed, "media")
        need(hmac.digest(derive(key[1], b"", b"media-name"), plain, "sha256").hex() == name, "another medium")
        return plain


class Segment:
    """§6 to §8: a pack or a merged index."""

    def __init__(self, store, label, ref):
        self.store, self.label, self.name = store, label, f"{label}/{ref['id']}"
        self.data = (store.store / self.name).read_bytes()
        _, self.salt, self.cipher = store.header(self.data, label)
        need(len(self.data) == ref["size"] and self.data[-4:] == b"CTKE", "a segment's end")
        need(unpack(">I", self.data[-8:-4])[0] + 8 == ref["tail"], "a segment's trailer")
        self.footer = json.loads(decompress(store.open(self.cipher, LAST, self.data[-ref["tail"] : -8], self.name)))
        data, entries = self.footer["data"], self.footer["entries"]
        self.starts = [HEADER]
        for length in [block["len"] for block in data + entries] + [block["summaries"] for block in entries]:
            self.starts.append(self.starts[-1] + length)
        need(self.starts[-1] == ref["size"] - ref["tail"], "blocks do not fill a segment")

    def block(self, number):
        sealed = self.data[self.starts[number] : self.starts[number + 1]]
        return self.store.open(self.cipher, number, sealed, self.name)

    def entries(self, index, number, own):
        """(kind, id, minus the snapshot), (pack, ordinal) or None, person's tag or None."""
        block = self.footer["entries"][index]
        raw = Bytes(self.block(len(self.footer["data"]) + index))
        columns, kinds, ids = Bytes(decompress(raw.counted())), [], [b""]
        count = columns.number()
        while len(kinds) < count:
            kind = self.footer["kinds"][columns.number()].encode()
            kinds += [kind] * columns.number()
        for _ in range(count):
            ids.append(ids[-1][: columns.number()] + columns.counted())
        flags = columns.take(count)
        present = [at for at in range(count) if not flags[at] & 3]
        numbers, places = [number] * count, [(own, block["ordinal"] + turn) for turn in range(len(present))]
        if self.label == "index":
            numbers = [columns.number() for _ in range(count)]
            packs = [self.footer["packs"][columns.number()] for _ in present]
            places = [(ref, columns.number()) for ref in packs]
        raw.take(16 * len(present))  # The content hashes.
        tags = [raw.take(16) if flag & 4 else None for flag in flags]
        need(count == block["entries"] and not columns.rest() and not raw.rest(), "a block of entries")
        places = dict(zip(present, places))
        return [((kinds[at], ids[at + 1], -numbers[at]), places.get(at), tags[at]) for at in range(count)]

    def record(self, ordinal, tag):
        """A record's meta, time of change, summary and payload; None where its person was erased."""
        index, turn, summary = 0, ordinal, self.summary(ordinal)
        while turn >= self.footer["data"][index]["records"]:
            turn, index = turn - self.footer["data"][index]["records"], index + 1
        if tag is None:
            meta, updated, payload = self.common(index)[turn]
            return shown(meta, updated, summary, payload)
        if (key := self.store.subject_key(tag)) is None:
            return None
        texts = Bytes(self.data[self.starts[index] : self.starts[index + 1]])
        table = texts.take(self.footer["data"][index]["table"])
        table = Bytes(self.store.open(self.cipher, index, table, self.name))
        lengths = [table.number() for _ in range(table.number())]
        texts.take(sum(lengths[:turn]))
        cipher = AESGCM(derive(key, self.salt, b"record/" + pack(">Q", ordinal)))
        aad = self.store.aad(self.name, index, turn + 1)
        try:
            text = Bytes(decompress(cipher.decrypt(bytes(12), texts.take(lengths[turn]), aad)))
        except InvalidTag:
            need(tag in self.store.tables[tag[0]][1], "a person's record does not open")
            return None
        summary = summary and cipher.decrypt(bytes(11) + b"\1", summary, aad)
        return shown(text.counted(), text.number(), summary, text.rest())

    @lru_cache(8)
    def common(self, index):
        """The records of a block that is sealed as one: meta, time of change, payload."""
        block = Bytes(decompress(self.block(index)))
        count, metas = block.number(), block.number()
        metas = [block.counted() for _ in range(metas)]
        rows = [(block.number(), block.number(), block.number()) for _ in range(count)]
        return [(metas[meta], updated, block.take(length)) for meta, updated, length in rows]

    def summary(self, ordinal):
        blocks = self.footer["entries"]
        index = max(at for at, block in enumerate(blocks) if block["ordinal"] <= ordinal)
        return self.summaries(index)[ordinal - blocks[index]["ordinal"]] if blocks[index]["summaries"] else b""

    @lru_cache(8)
    def summaries(self, index):
        rows = Bytes(decompress(self.block(len(self.footer["data"]) + len(self.footer["entries"]) + index)))
        found = []
        while rows.at < len(rows.data):
            found.append(rows.counted())
        return found


def shown(meta, updated, summary, payload):
    micros = None if updated == 0 else (updated - 1) // 2 if updated % 2 else -(updated // 2)
    texts = {"summary": summary.decode(), "payload": payload.hex()}
    return {"meta": json.loads(meta), "updated_micros": micros, **texts}


def main(store, keys, recovery, passphrase_file, place, what, which=None):
    opened = Store(store, keys, recovery_key(recovery, passphrase_file), place)
    if what == "media":
        sys.stdout.buffer.write(opened.media(which))
    else:
        for line in opened.snapshots() if what == "snapshots" else opened.records(int(which)):
            print(json.dumps(line))


if __name__ == "__main__":
    main(*sys.argv[1:])
